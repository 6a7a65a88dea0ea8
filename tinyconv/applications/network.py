"""What is common to the pretrained networks: their arguments, and how one is put together."""

from __future__ import annotations

import contextlib
import operator
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tinyconv import activations, initializers
from tinyconv.applications import weights as files
from tinyconv.applications.imagenet_utils import CLASSES, input_record
from tinyconv.geometry import Shape
from tinyconv.layers import GlobalAveragePooling2D, GlobalMaxPooling2D, Input
from tinyconv.layers.symbolic import SymbolicTensor, is_symbolic
from tinyconv.models.functional import Functional
from tinyconv.training.warn import warn_user

_SIDE = 224  # that ImageNet's images are trained at
_SMALLEST = 32  # five halvings leave one pixel
_POOLINGS = {"avg": GlobalAveragePooling2D, "max": GlobalMaxPooling2D}


class Network(NamedTuple):
    """An architecture.

    Attributes:
        name: of the function that makes it.
        body: images -> feature maps.
        top: feature maps, classes, activation -> predictions.
        top_names: the layers of the top that have weights.
        pooling_names: of the layer that takes the place of the top; numbered if not there.
        published: the files of ImageNet weights, with the top (True) and without.
    """

    name: str
    body: Callable[[SymbolicTensor], SymbolicTensor]
    top: Callable[[SymbolicTensor, int, Any], SymbolicTensor]
    top_names: tuple[str, ...]
    pooling_names: Mapping[str, str]
    published: Mapping[bool, files.Published]


def assemble(
    network: Network,
    *,
    include_top: bool,
    weights: Any,
    input_tensor: Any,
    input_shape: Any,
    pooling: str | None,
    classes: int,
    classifier_activation: Any,
    name: str,
) -> Functional:
    """The model with its weights; see `VGG16` for the arguments and the errors."""
    owner, pretrained = network.name, weights is not None
    if include_top:
        _check_top(owner, weights, classes, classifier_activation)
    if pooling not in (None, *_POOLINGS):
        raise ValueError(
            f"{owner}: pooling must be None, 'avg' or 'max'. Received: pooling={pooling!r}"
        )
    shape = _input_shape(owner, include_top, weights, input_tensor, input_shape)
    file = files.find(owner, weights, network.published[bool(include_top)])

    # The file has a value for everything: no time goes into random ones.
    blank = initializers.blank(sys.maxsize) if pretrained else contextlib.nullcontext()
    with blank:
        start = Input(shape) if input_tensor is None else input_tensor
        x = network.body(start)
        if include_top:
            x = network.top(x, classes, classifier_activation)
        elif pooling is not None:
            x = _POOLINGS[pooling](name=network.pooling_names.get(pooling))(x)
        model = Functional(_origins(start), x, name=name)
    if file is not None and files.is_imagenet(weights):
        model.load_weights(file)  # its checksum says that it is the right one
    elif file is not None:
        files.load(owner, model, file, network.top_names)
    if pretrained and not start.node.inputs and shape[2] == 3:
        record = input_record()
        model.input_record, start.node.layer.expects = [record], record
    return model


def _check_top(owner: str, weights: Any, classes: int, activation: Any) -> None:
    try:
        count = operator.index(classes)
    except TypeError:
        count = 0
    if count < 1 or isinstance(classes, bool):
        raise ValueError(f"{owner}: classes must be a positive integer. Received: {classes!r}")
    if files.is_imagenet(weights) and count != CLASSES:
        raise ValueError(
            f"{owner}: weights='imagenet' with its top tells {CLASSES} classes. Received: "
            f"classes={classes}. For classes of your own pass include_top=False and put layers of "
            "your own on it"
        )
    if weights is not None and activations.get(activation).name not in ("linear", "softmax"):
        raise ValueError(
            f"{owner}: with pretrained weights classifier_activation must be 'softmax', or None "
            f"for the logits. Received: classifier_activation={activation!r}"
        )


def _input_shape(owner: str, include_top: bool, weights: Any, tensor: Any, given: Any) -> Shape:
    """The shape of one image, checked before a layer is made."""
    if tensor is not None:
        if not is_symbolic(tensor) or isinstance(tensor, (list, tuple)):
            raise TypeError(
                f"{owner}: input_tensor must be a symbolic tensor, such as Input((224, 224, 3)). "
                f"Received: {type(tensor).__name__}"
            )
        _check_agrees(owner, given, tensor.shape[1:])
        given = tensor.shape[1:]
    if given is None:
        return (_SIDE, _SIDE, 3) if include_top else (None, None, 3)
    try:
        shape = tuple(None if n is None else operator.index(n) for n in given)
    except TypeError:
        shape = ()
    received = f"Received: input_shape={given!r}"
    if len(shape) != 3 or shape[2] is None:
        raise ValueError(
            f"{owner}: input_shape must be (height, width, channels), without the batch. {received}"
        )
    small = [n for n in shape[:2] if n is not None and n < _SMALLEST]
    if small:
        hint = ""
        if shape[0] in (1, 3) and shape[2] not in (1, 3):
            hint = f". The channels come last: {(*shape[1:], shape[0])}"
        raise ValueError(
            f"{owner}: height and width must be at least {_SMALLEST}: the network halves them "
            f"five times. {received}{hint}"
        )
    if files.is_imagenet(weights) and shape[2] != 3:
        raise ValueError(
            f"{owner}: weights='imagenet' is for colour images, 3 channels. {received}. Read grey "
            "images as colour: load_img(path, color_mode='rgb')"
        )
    if shape[2] not in (1, 3):
        warn_user(f"{owner}: images have 1 or 3 channels as a rule. {received}")
    if include_top and files.is_imagenet(weights) and shape != (_SIDE, _SIDE, 3):
        raise ValueError(
            f"{owner}: weights='imagenet' with its top is for images of shape {(_SIDE, _SIDE, 3)}. "
            f"{received}. Without the top (include_top=False) any size will do"
        )
    if include_top and None in shape:
        raise ValueError(f"{owner}: with its top the network needs a fixed size. {received}")
    return shape


def _check_agrees(owner: str, given: Any, shape: Shape) -> None:
    """Raise unless input_shape is None, or the shape of input_tensor as far as both are known."""
    if given is None:
        return
    try:
        agrees = all(a is None or b is None or a == b for a, b in zip(given, shape, strict=True))
    except (TypeError, ValueError):
        agrees = False
    if not agrees:
        raise ValueError(
            f"{owner}: input_shape contradicts input_tensor, which is of shape (batch, height, "
            f"width, channels) = {(None, *shape)}. Received: input_shape={given!r}. Give only one "
            "of them"
        )


def _origins(tensor: SymbolicTensor) -> list[SymbolicTensor]:
    """The inputs that a tensor depends on: where a model that ends in it begins."""
    found: dict[int, SymbolicTensor] = {}
    seen: set[int] = set()
    waiting = [tensor]
    while waiting:
        each = waiting.pop()
        if not each.node.inputs:
            found[id(each)] = each
        elif id(each.node) not in seen:
            seen.add(id(each.node))
            waiting.extend(reversed(each.node.inputs))
    return list(found.values())
