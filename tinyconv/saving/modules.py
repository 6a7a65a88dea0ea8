"""Where Keras 3 keeps the classes that tinyconv has, by name."""

from __future__ import annotations

from tinyconv import initializers, layers, losses, metrics, optimizers, regularizers
from tinyconv.optimizers import schedules

# The layers that Keras tells the order of the axes; the others have no such argument.
WITH_DATA_FORMAT = frozenset(
    {
        "AveragePooling2D", "Conv2D", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
        "MaxPooling2D", "ZeroPadding2D",
    }
)  # fmt: skip
_PARTS = {
    "keras.initializers": initializers,
    "keras.regularizers": regularizers,
    "keras.optimizers.schedules": schedules,
}
_OBJECTS = {
    "keras.layers": layers,
    "keras.optimizers": optimizers,
    "keras.losses": losses,
    "keras.metrics": metrics,
}
_MODELS = {"Sequential": "keras", "Functional": "keras.src.models.functional"}


def of_class(cls: type) -> str | None:
    """The module of a layer, a model, a loss, ...; None for a class of the user's own."""
    name = cls.__name__
    if name in _MODELS and cls.__module__.startswith("tinyconv."):
        return _MODELS[name]
    for keras_module, module in _OBJECTS.items():
        if getattr(module, name, None) is cls:
            return keras_module
    return None


def of_part(name: str) -> str | None:
    """The module of an initializer, a regularizer or a schedule, which configs hold by name."""
    for keras_module, module in _PARTS.items():
        if hasattr(module, name):
            return keras_module
    return None
