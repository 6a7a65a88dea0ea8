"""ResNet-50: sixteen blocks, each of which adds three convolutions to what came in.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", 2015,
figure 5 and table 1. https://arxiv.org/abs/1512.03385
"""

from __future__ import annotations

from typing import Any

from tinyconv.applications.imagenet_utils import decode_predictions, preprocess_input
from tinyconv.applications.network import Network, assemble
from tinyconv.applications.weights import Published
from tinyconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    MaxPooling2D,
    ZeroPadding2D,
)
from tinyconv.layers.symbolic import SymbolicTensor
from tinyconv.models.model import Model

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]

# Blocks of each stack and their filters; the last convolution of a block has four times these.
STACKS = ((3, 64), (4, 128), (6, 256), (3, 512))

_EPSILON = 1.001e-5
_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
_NAME = "resnet50_weights_tf_dim_ordering_tf_kernels"


def ResNet50(  # noqa: N802  (Keras' name)
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: SymbolicTensor | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "resnet50",
) -> Model:
    """The network, as `keras.applications.ResNet50` makes it.

    Its images are RGB, 0 to 255, prepared by `preprocess_input`. Arguments and errors as for
    `VGG16`; its top is the mean of each feature map and one dense layer.
    """
    return assemble(
        NETWORK,
        include_top=include_top,
        weights=weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name,
    )


def _body(x: SymbolicTensor) -> SymbolicTensor:
    x = ZeroPadding2D(3, name="conv1_pad")(x)
    x = _convolution(x, "conv1", 64, 7, strides=2, activation="relu")
    x = ZeroPadding2D(1, name="pool1_pad")(x)
    x = MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stack, (blocks, filters) in enumerate(STACKS, 2):
        for block in range(1, blocks + 1):
            # The pooling has halved the image already, so the first stack does not.
            strides = 2 if block == 1 and stack > 2 else 1
            x = _block(x, f"conv{stack}_block{block}", filters, strides, projected=block == 1)
    return x


def _block(
    x: SymbolicTensor, name: str, filters: int, strides: int, projected: bool
) -> SymbolicTensor:
    """relu(x + f(x)); where f changes the shape, a convolution of 1 x 1 takes x along."""
    shortcut = x
    if projected:
        shortcut = _convolution(x, f"{name}_0", 4 * filters, 1, strides)
    x = _convolution(x, f"{name}_1", filters, 1, strides, activation="relu")
    x = _convolution(x, f"{name}_2", filters, 3, padding="same", activation="relu")
    x = _convolution(x, f"{name}_3", 4 * filters, 1)
    x = Add(name=f"{name}_add")([shortcut, x])
    made: SymbolicTensor = Activation("relu", name=f"{name}_out")(x)
    return made


def _convolution(
    x: SymbolicTensor,
    name: str,
    filters: int,
    size: int,
    strides: int = 1,
    padding: str = "valid",
    activation: str | None = None,
) -> SymbolicTensor:
    """Conv2D, BatchNormalization and, if wanted, an activation."""
    x = Conv2D(filters, size, strides, padding, name=f"{name}_conv")(x)
    x = BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)
    return x if activation is None else Activation(activation, name=f"{name}_{activation}")(x)


def _top(x: SymbolicTensor, classes: int, activation: Any) -> SymbolicTensor:
    x = GlobalAveragePooling2D(name="avg_pool")(x)
    made: SymbolicTensor = Dense(classes, activation=activation, name="predictions")(x)
    return made


NETWORK = Network(
    "ResNet50",
    _body,
    _top,
    top_names=("predictions",),
    pooling_names={"avg": "avg_pool", "max": "max_pool"},
    published={
        True: Published(f"{_NAME}.h5", _FOLDER, "2cb95161c43110f7111970584f804107"),
        False: Published(f"{_NAME}_notop.h5", _FOLDER, "4d473c1dd8becc155b73f8504c6f6626"),
    },
)
