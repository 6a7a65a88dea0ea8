"""VGG16: thirteen convolutions of 3 x 3 in five blocks, and three dense layers.

Source: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", 2014, table 1, column D. https://arxiv.org/abs/1409.1556
"""

from __future__ import annotations

from typing import Any

from tinyconv.applications.imagenet_utils import decode_predictions, preprocess_input
from tinyconv.applications.network import Network, assemble
from tinyconv.applications.weights import Published
from tinyconv.layers import Conv2D, Dense, Flatten, MaxPooling2D
from tinyconv.layers.symbolic import SymbolicTensor
from tinyconv.models.model import Model

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

# Convolutions and their filters, block by block.
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))

_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
_NAME = "vgg16_weights_tf_dim_ordering_tf_kernels"


def VGG16(  # noqa: N802  (Keras' name)
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: SymbolicTensor | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "vgg16",
) -> Model:
    """The network, as `keras.applications.VGG16` makes it.

    Its images are RGB, 0 to 255, prepared by `preprocess_input`.

    Args:
        include_top: whether the three dense layers are part of it.
        weights: "imagenet", the path of a file of weights, or None for random ones.
        input_tensor: the symbolic tensor to begin with, in place of a new `Input`.
        input_shape: (height, width, channels), each side at least 32; (224, 224, 3) with the
            top unless given, (None, None, 3) without.
        pooling: without the top, None for feature maps, "avg" or "max" for one value each; of no
            effect with it.
        classes, classifier_activation: of the last layer of the top.
        name: of the model.

    Raises:
        ValueError, TypeError: naming the argument, or the file and the layer.
        DownloadError: if the ImageNet weights are not there and can't be had.
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
    for block, (convolutions, filters) in enumerate(BLOCKS, 1):
        for number in range(1, convolutions + 1):
            convolution = f"block{block}_conv{number}"
            x = Conv2D(filters, 3, activation="relu", padding="same", name=convolution)(x)
        x = MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    return x


def _top(x: SymbolicTensor, classes: int, activation: Any) -> SymbolicTensor:
    x = Flatten(name="flatten")(x)
    x = Dense(4096, activation="relu", name="fc1")(x)
    x = Dense(4096, activation="relu", name="fc2")(x)
    made: SymbolicTensor = Dense(classes, activation=activation, name="predictions")(x)
    return made


NETWORK = Network(
    "VGG16",
    _body,
    _top,
    top_names=("fc1", "fc2", "predictions"),
    pooling_names={},
    published={
        True: Published(f"{_NAME}.h5", _FOLDER, "64373286793e3c8b2b4e3219cbf3544b"),
        False: Published(f"{_NAME}_notop.h5", _FOLDER, "6d6bbae143d832006294945121d1f1fc"),
    },
)
