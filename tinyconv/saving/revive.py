"""A model from what a file says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyconv import initializers
from tinyconv.saving import from_keras
from tinyconv.saving.errors import FileError
from tinyconv.saving.hdf5 import h5py_module

if TYPE_CHECKING:
    from tinyconv.models.model import Model


_LONGEST_JSON = 4 << 20  # bytes; that of ResNet152 has 0.4 MB
_MOST_LAYERS = 10_000  # ResNet152 has 515


def check_length(file: Path, name: str, length: int) -> None:
    """Raise FileError for JSON that is longer than that of any model: it becomes 50 times that."""
    if length > _LONGEST_JSON:
        raise FileError(f"{file}: {name} has {length:,} bytes: refused")


def model_from(
    file: Path, entry: Any, weights: Any, custom_objects: Mapping[str, Any] | None
) -> Model:
    """A model, its parameters zero, that has no more of them than the file holds.

    Args:
        file: named in errors.
        entry: what Keras wrote of the model.
        weights: the HDF5 group in which its weights are.
        custom_objects: classes of the user's own, by name.
    """
    from tinyconv.models import Model, configuration

    if not isinstance(entry, Mapping) or "class_name" not in entry:
        raise FileError(f"{file}: the configuration describes no model")
    layers = _check_layers(entry, custom_objects or {})
    if layers > _MOST_LAYERS:
        raise FileError(f"{file}: a model of {layers:,} layers: refused")
    with initializers.blank(_values_in(weights)):
        model = configuration.layer_from(from_keras.layer_entry(entry), custom_objects)
    if not isinstance(model, Model):
        raise FileError(f"{file}: the configuration is that of {model!r}, not of a model")
    return model


def _check_layers(entry: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> int:
    """Raise ValueError for a layer of Keras' own that tinyconv does not have; count all layers."""
    from tinyconv import layers, models

    name, values = str(entry["class_name"]), entry["config"]
    known = name in custom_objects or hasattr(layers, name) or hasattr(models, name)
    known = known or name in from_keras.OLD_CLASSES or name == "Lambda" or name.startswith("__")
    if entry.get("module") == "keras.layers" and not known:
        raise ValueError(
            f"unknown layer class {name!r} (layer {values.get('name')!r}): it is Keras' own, and "
            "tinyconv does not support it"
        )
    # The older format does not tell whose class it is, unless a name stands before it: "My>Layer".
    if not entry.get("module") and not known and ">" not in name:
        raise ValueError(
            f"unknown layer class {name!r} (layer {values.get('name')!r}): if it is Keras' own, "
            "tinyconv does not support it; a class of your own must be passed: "
            f"custom_objects={{{name!r}: {name}}}"
        )
    inside = values.get("layers", ()) if isinstance(values, Mapping) else values
    return 1 + sum(_check_layers(inner, custom_objects) for inner in inside)


def _values_in(group: Any) -> int:
    """How many values a group and all below it holds."""
    sizes = [0]

    def add(_: str, member: Any) -> None:
        if isinstance(member, h5py_module().Dataset):
            sizes.append(int(member.size or 0))

    group.visititems(add)
    return sum(sizes)


def compile_model(
    file: Path, model: Model, settings: Any, prepare_state: Callable[[], Callable[[], None] | None]
) -> None:
    """Compile the model as it was, and give its optimizer the state in the file."""
    try:
        model.compile(**from_keras.compile_settings(settings))
    except Exception as error:
        raise FileError(
            f"{file}: {error}. With load_model(..., compile=False) the model comes uncompiled"
        ) from error
    restore = prepare_state()
    if restore is not None:
        restore()


def records_to_json(model: Model) -> list[Any] | None:
    """What training saw of each input, see `tinyconv.training.input_record`."""
    if model.input_record is None:
        return None
    return [record.to_dict() for record in model.input_record]


def records_from_json(model: Model, values: Any) -> None:
    """Give it back to a model."""
    if values is None:
        return
    from tinyconv.training.input_record import InputRecord

    model.input_record = [InputRecord.from_dict(value) for value in values]
