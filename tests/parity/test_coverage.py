"""Every argument of every public layer, loss, metric, ... is given in some case."""

import inspect
from collections import defaultdict
from typing import Any

import pytest

import tinyconv
from parity.cases import all_cases
from tinyconv import activations, initializers, layers, losses, metrics, optimizers, regularizers
from tinyconv.optimizers import schedules

USED: dict[str, set[str]] = defaultdict(set)
for _case in all_cases():
    for _name, _arguments in _case.uses:
        USED[_name] |= set(_arguments)

OF_EVERY_OPTIMIZER = {
    "learning_rate", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "name",
}  # fmt: skip
NO_CHOICE = {"data_format"}  # one value is allowed, which some case gives


def public(module: Any, base: type) -> list[type]:
    """Classes of a module, each once whatever names it goes by."""
    found = {value for value in vars(module).values() if inspect.isclass(value)}
    return sorted(
        (
            cls
            for cls in found
            if issubclass(cls, base) and cls is not base and cls.__name__[0] != "_"
        ),
        key=lambda cls: cls.__name__,
    )


def signature(function: Any) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD} - {"self", "x"}


def expected() -> dict[str, set[str]]:
    """The arguments of each public name."""
    found = {cls.__name__: set(cls.config_keys) for cls in public(layers, layers.Layer)}
    found |= {cls.__name__: set(cls.config_keys) for cls in public(losses, losses.Loss)}
    found |= {
        cls.__name__: set(cls.config_keys) | OF_EVERY_OPTIMIZER
        for cls in public(optimizers, optimizers.Optimizer)
    }
    for module, base in (
        (initializers, initializers.Initializer),
        (schedules, schedules.LearningRateSchedule),
    ):
        found |= {cls.__name__: set(cls.config_keys) for cls in public(module, base)}
    found |= {function.__name__: signature(function) for function in activations._FUNCTIONS}
    for cls in public(metrics, metrics.Metric):
        found.setdefault(cls.__name__, set()).update(signature(cls.__init__))
    for cls in public(regularizers, regularizers.L1L2):
        found[cls.__name__] = signature(cls.__init__)
    return found


@pytest.mark.parametrize("name", sorted(expected()))
def test_every_argument(name: str):
    assert name in USED
    assert expected()[name] - USED[name] == set()


@pytest.mark.parametrize("argument", ["name", "trainable", "dtype", "input_shape", *NO_CHOICE])
def test_what_every_layer_has(argument: str):
    names = {cls.__name__ for cls in public(layers, layers.Layer)}
    assert any(argument in USED[name] for name in names)


def test_every_name_is_public():
    modules = (layers, losses, metrics, optimizers, schedules, initializers, regularizers,
               activations, tinyconv)  # fmt: skip
    assert [name for name in USED if not any(hasattr(module, name) for module in modules)] == []
