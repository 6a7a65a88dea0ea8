"""Names for things: automatic layer names, and looking a thing up by its name."""

from __future__ import annotations

import difflib
import inspect
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

_counts: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)

# Keras' arguments that change nothing here at these values, so that its programs and files pass.
_WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(
        (
            "activity_regularizer", "kernel_constraint", "bias_constraint", "gamma_constraint",
            "beta_constraint", "noise_shape", "lora_rank", "lora_alpha", "quantization_config",
            "loss_scale_factor", "gradient_accumulation_steps", "ema_overwrite_frequency",
            "adjustment", "virtual_batch_size", "fused", "renorm_clipping", "input_axes",
            "output_axes",
        ),
        (None,),
    ),
    **dict.fromkeys(("synchronized", "sparse", "ragged", "optional", "renorm"), (None, False)),
    "autocast": (True, None),
    "data_format": ("channels_last", None),
    "use_ema": (False,),
    "ema_momentum": (0.99,),
    "renorm_momentum": (0.99,),
    "jit_compile": (True, False, "auto", None),
}  # fmt: skip

# Losses and metrics of Keras that are not here: no misspellings of those that are.
ABSENT = ("mae", "mape", "msle", "mean_absolute_error")


def snake_case(name: str) -> str:
    """MaxPooling2D -> max_pooling2d, as Keras names its layers."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(class_name: str) -> str:
    """conv2d, conv2d_1, conv2d_2, ... in the order of creation."""
    base = snake_case(class_name)
    count = next(_counts[base])  # one step, so that no two threads get the same
    return f"{base}_{count}" if count else base


def clear_session() -> None:
    """Start counting layer names anew."""
    _counts.clear()


def suggest(name: str, known: Iterable[str]) -> str:
    """' Did you mean ...?' when something close is known, else nothing."""
    if snake_case(name) in ABSENT:
        return ""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""


def in_effect(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments less those of Keras that change nothing at the value given."""
    return {
        name: value
        for name, value in arguments.items()
        if not any(
            value is each or (isinstance(value, (str, float)) and value == each)
            for each in _WITHOUT_EFFECT.get(name, ())
        )
    }


def unsupported(function: Any, owner: str, arguments: Mapping[str, Any]) -> TypeError:
    """The error for arguments that neither `function` nor a base class' version of it takes."""
    name = next(iter(arguments))
    if name in _WITHOUT_EFFECT:
        only = " or ".join(repr(value) for value in _WITHOUT_EFFECT[name])
        return TypeError(
            f"{owner}: argument {name!r} is supported as {only} only. "
            f"Received: {name}={arguments[name]!r}"
        )
    classes = function.__mro__ if isinstance(function, type) else ()
    functions = [vars(cls)["__init__"] for cls in classes if "__init__" in vars(cls)]
    known = {key for each in functions or [function] for key in inspect.signature(each).parameters}
    return TypeError(f"{owner}: unsupported argument {name!r}.{suggest(name, known)}")


def lookup(
    identifier: Any, table: Mapping[str, Any], argument: str, base: type | None = None
) -> Any:
    """An instance for a name ("adam"), a config ({"class_name", "config"}), a class or an instance.

    An instance is an object of `base`, or without a base anything that can be called.

    Raises:
        ValueError: for a name that `table` does not hold; it lists those that it does.
        TypeError: for anything that is none of the four.
    """
    if isinstance(identifier, dict) and "class_name" in identifier:
        cls = _named(identifier["class_name"], table, argument)
        return cls(**identifier.get("config", {}))
    if isinstance(identifier, str):
        return _named(identifier, table, argument)()
    if isinstance(identifier, type) and identifier in table.values():
        return identifier()
    is_instance = callable(identifier) if base is None else isinstance(identifier, base)
    if isinstance(identifier, type) or not is_instance:
        raise TypeError(
            f"{argument} must be a name or an object of this library. Received: {identifier!r}"
        )
    return identifier


def _named(name: str, table: Mapping[str, Any], argument: str) -> Any:
    known = sorted(table)
    for candidate in (name, snake_case(name), name.lower()):
        if candidate in table:
            return table[candidate]
    raise ValueError(
        f"{argument}: unknown name {name!r}.{suggest(name, known)} Known: {', '.join(known)}"
    )


class Shown:
    """Prints as the call that makes it: Adam(name='adam', learning_rate=0.001, ...)."""

    def __repr__(self) -> str:
        config: dict[str, Any] = getattr(self, "get_config", dict)()
        given = (f"{key}={value!r}" for key, value in config.items() if value is not None)
        return f"{type(self).__name__}({', '.join(given)})"


def serialize(value: Any) -> Any:
    """What `lookup` takes back: {"class_name", "config"} for an object that has a config."""
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    return value
