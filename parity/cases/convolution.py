"""Conv2D: padding, strides, dilation, groups, and what it shares with Dense."""

from __future__ import annotations

from typing import Any

from parity.case import Case
from parity.cases.layer import layer_case
from parity.tolerances import FLOAT32_CONSTANT

SIZES = {"even": (6, 8), "odd": (7, 9)}


def conv(name: str, shape: tuple[int, ...] = (2, 7, 8, 3), /, **arguments: Any) -> Case:
    """A 3x3 convolution with 4 filters unless the arguments say otherwise."""
    return layer_case("Conv2D", name, shape, **{"filters": 4, "kernel_size": 3, **arguments})


def cases() -> list[Case]:
    """All of them."""
    return [*_padding(), *_windows(), *_groups(), *_arguments()]


def _padding() -> list[Case]:
    """The odd zero goes to the end, and how many there are depends on the stride."""
    found = []
    for stride in (1, 2, 3):
        for sizes, (H, W) in SIZES.items():
            for size in (2, 3, 4):
                found.append(
                    conv(
                        f"same, stride {stride}, kernel {size}, {sizes} size",
                        (2, H, W, 2),
                        kernel_size=size,
                        strides=stride,
                        padding="same",
                    )
                )
            found.append(
                conv(f"valid, stride {stride}, {sizes} size", (2, H, W, 2), strides=stride)
            )
    return found


def _windows() -> list[Case]:
    return [
        conv("kernel 1x1", kernel_size=1),
        conv("kernel 1x1, stride 2", kernel_size=1, strides=2),
        conv("kernel 1x1, stride 2, same", kernel_size=1, strides=2, padding="same"),
        conv("kernel 5x2", kernel_size=(5, 2)),
        conv("kernel 2x5, same", kernel_size=(2, 5), padding="same"),
        conv("kernel 7x7, stride 2, same", (2, 13, 12, 3), kernel_size=7, strides=2,
             padding="same"),
        conv("kernel as large as the image", (2, 5, 4, 3), kernel_size=(5, 4)),
        conv("kernel larger than the image, same", (2, 2, 3, 3), kernel_size=5, padding="same"),
        conv("stride larger than the kernel", kernel_size=2, strides=3),
        conv("strides 1x2", strides=(1, 2)),
        conv("strides 3x1, same", strides=(3, 1), padding="same"),
        conv("one pixel", (3, 1, 1, 4), kernel_size=1),
        conv("one channel, one filter", (2, 6, 6, 1), filters=1),
        conv("one sample", (1, 6, 5, 3)),
        conv("dilation 2", (2, 9, 8, 3), dilation_rate=2),
        conv("dilation 2, same", (2, 9, 8, 3), dilation_rate=2, padding="same"),
        conv("dilation 2x3", (2, 9, 10, 3), dilation_rate=(2, 3)),
        conv("dilation 3x1, same, kernel 2x4", (2, 9, 10, 3), kernel_size=(2, 4),
             dilation_rate=(3, 1), padding="same"),
        conv("as in VGG", (2, 14, 14, 32), filters=48, padding="same", activation="relu",
             case={"quick": False}),
        conv("as in ResNet", (2, 14, 14, 64), filters=96, kernel_size=1, strides=2,
             case={"quick": False}),
    ]  # fmt: skip


def _groups() -> list[Case]:
    six = (2, 7, 8, 6)
    return [
        conv("groups 2", six, groups=2),
        conv("groups 3", six, groups=3, filters=9),
        conv("groups 2, same, stride 2", six, groups=2, padding="same", strides=2),
        conv("groups 2, dilation 2", (2, 9, 8, 6), groups=2, dilation_rate=2),
        conv("depthwise", six, groups=6, filters=6),
        conv("depthwise, 2 filters a channel", six, groups=6, filters=12, padding="same"),
    ]


def _arguments() -> list[Case]:
    activations = ("linear", "relu", "sigmoid", "tanh", "softmax", "elu", "gelu", "leaky_relu")
    return [
        conv("without bias", use_bias=False),
        conv("data_format channels_last", data_format="channels_last"),
        conv("frozen", trainable=False),
        conv("with a name", name="first"),
        conv("with a dtype", dtype="float64", case={"note": "float64 whatever is the default"}),
        *[
            conv(
                f"activation {name}",
                activation=name,
                case={"tolerance": FLOAT32_CONSTANT} if name in ("gelu", "leaky_relu") else None,
            )
            for name in activations
        ],
        conv("ones and constants", kernel_initializer="ones", bias_initializer="ones",
             random_weights=False),
    ]  # fmt: skip
