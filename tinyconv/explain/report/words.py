"""What a layer does, in plain words and with its own numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinyconv import layers
from tinyconv.explain.walk import Call

_AFTER = {
    "relu": "ReLU then makes zero of everything below zero.",
    "softmax": "Softmax makes probabilities of them, which add up to 1.",
    "sigmoid": "The sigmoid then squeezes each between 0 and 1.",
    "tanh": "tanh then squeezes each between −1 and 1.",
}
_ALONE = {
    "relu": "What is below zero becomes zero, the rest stays as it is.",
    "softmax": "Numbers become probabilities: none below 0, and together 1.",
    "sigmoid": "Each number is squeezed between 0 and 1.",
    "tanh": "Each number is squeezed between −1 and 1.",
}


def words(call: Call) -> str:
    """One or two sentences; of a layer of the reader's own the first of its docstring."""
    for kind, tell in _WORDS.items():
        if isinstance(call.layer, kind):
            return tell(call)
    told = (type(call.layer).__doc__ or "A layer of your own.").strip()
    return " ".join(told.split("\n\n")[0].split())


def _convolution(call: Call) -> str:
    layer: Any = call.layer
    window = layer.window(call.inputs[0].shape)
    channels = layer.params["kernel"].shape[2]
    depth = "" if channels == 1 else f" × {channels}"
    if window.size == (1, 1):
        told = (
            f"Each of the {layer.filters} filters weighs the {channels} channels of one pixel, "
            "and looks at no neighbour: a dense layer, pixel by pixel."
        )
    else:
        told = (
            f"{layer.filters} filters of {_by(window.size)}{depth} weights slide over what comes "
            "in. Each makes one map: high where the input looks like the filter."
        )
    if window.strides != (1, 1):
        told += f" They move {_by(window.strides)} pixels at a time, so the maps shrink."
    return _then(told, call)


def _dense(call: Call) -> str:
    inputs, units = call.inputs[0].shape[-1], call.output.shape[-1]
    one = units == 1
    told = f"{'One number' if one else f'{units} numbers'}, each a weighted sum of all {inputs:,}"
    return _then(f"{told} inputs.", call)


def _pooling(verb: str) -> Callable[[Call], str]:
    def told(call: Call) -> str:
        layer: Any = call.layer
        size = layer.window(call.inputs[0].shape).size
        return (
            f"Each window of {_by(size)} pixels becomes {verb}. The maps shrink, and a shift of "
            "the image by a pixel changes little."
        )

    return told


def _dropout(call: Call) -> str:
    layer: Any = call.layer
    return (
        "Does nothing to a prediction. In training it sets each value to zero with a probability "
        f"of {layer.rate:g}, so that no layer relies on a single one."
    )


def _activation(call: Call) -> str:
    name = call.layer.activation.name
    return _ALONE.get(name, f"{name}, number by number.")


def _rescaling(call: Call) -> str:
    layer: Any = call.layer
    return f"Every pixel times {layer.scale:.4g}, plus {layer.offset:.4g}."


def _then(told: str, call: Call) -> str:
    return f"{told} {_AFTER.get(call.layer.activation.name, '')}".strip()


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _says(told: str) -> Callable[[Call], str]:
    return lambda call: told


_WORDS: dict[type, Callable[[Call], str]] = {
    layers.Conv2D: _convolution,
    layers.Dense: _dense,
    layers.MaxPooling2D: _pooling("its largest value"),
    layers.AveragePooling2D: _pooling("its mean"),
    layers.GlobalAveragePooling2D: _says(
        "Each map becomes one number, its mean: how much there is of a feature, no matter where."
    ),
    layers.GlobalMaxPooling2D: _says(
        "Each map becomes one number, its largest: whether a feature is there, no matter where."
    ),
    layers.BatchNormalization: _says(
        "Each channel is shifted and scaled by the mean and the deviation that training has seen, "
        "then by a gamma and a beta that were learnt."
    ),
    layers.Dropout: _dropout,
    layers.Flatten: _says("All values in one row. Nothing is computed."),
    layers.Reshape: _says("The same values in another shape. Nothing is computed."),
    layers.ZeroPadding2D: _says("A border of zeros, so that filters can look over the edge."),
    layers.Add: _says(
        "The sum of its inputs. What a shortcut brings passes by the layers between, and so do "
        "gradients on their way back."
    ),
    layers.Concatenate: _says("Its inputs one behind the other, as channels of one output."),
    layers.Rescaling: _rescaling,
    layers.Softmax: _activation,
    layers.ReLU: _activation,
    layers.Activation: _activation,
}
