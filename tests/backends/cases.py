"""Operations with realistic arguments, for the rules that all of them keep.

The shapes are large enough for blocks, tiles, threads and recycled memory to come
into play, and odd enough to leave remainders everywhere.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.backends.calling import ACTIVATIONS, name_of
from tests.strategies import Fill
from tinyconv.backends.base import NEED_INPUT
from tinyconv.geometry import slide


class Case(NamedTuple):
    """An operation and its arguments: build(fill, dtype) makes new ones."""

    name: str
    operation: str
    build: Callable[[Fill, str], tuple[Any, ...]]

    def arguments(self, dtype: str, seed: int = 0, layout: str = "contiguous") -> tuple[Any, ...]:
        return self.build(Fill(seed, layout=layout), dtype)


def convolution(
    name: str, shape: tuple, size: tuple, filters: int, strides=(1, 1), padding="same",
    dilation=(1, 1), groups=1,
) -> list[Case]:  # fmt: skip
    """The forward pass and both gradients of one convolution."""
    N, H, W, C = shape
    window = slide((H, W), size, strides, padding, dilation)
    shapes = {
        "x": shape,
        "kernel": (*size, C // groups, filters),
        "dz": (N, *window.output, filters),
    }

    def case(operation: str, first: str, second: str) -> Case:
        def build(fill: Fill, dtype: str) -> tuple[Any, ...]:
            return fill(shapes[first], dtype), fill(shapes[second], dtype), window, groups

        return Case(f"{operation}-{name}", operation, build)

    return [
        case("conv2d", "x", "kernel"),
        case("conv2d_input_gradient", "dz", "kernel"),
        case("conv2d_kernel_gradient", "x", "dz"),
    ]


def simple(operation: str, *shapes: Any, name: str = "") -> Case:
    """Tuples of the list become arrays of that shape, everything else is passed on."""

    def build(fill: Fill, dtype: str) -> tuple[Any, ...]:
        return tuple(fill(item, dtype) if type(item) is tuple else item for item in shapes)

    return Case(name or operation, operation, build)


def argmax_gradient(fill: Fill, dtype: str) -> tuple[Any, ...]:
    argmax = fill.generator.integers(0, 4, (5, 15, 17, 19)).astype(np.int32)
    return fill(argmax.shape, dtype), argmax, HALVES


def activation_gradient(activation) -> Case:
    def build(fill: Fill, dtype: str) -> tuple[Any, ...]:
        saved = fill(IMAGES, dtype)
        if activation.name not in NEED_INPUT:
            saved = np.abs(np.tanh(saved))  # in the range of every function
        return fill(IMAGES, dtype), saved, activation, True

    return Case(f"activate_backward-{name_of(activation)}", "activate_backward", build)


def with_positive_variance(build_first: tuple) -> Callable[[Fill, str], tuple[Any, ...]]:
    def build(fill: Fill, dtype: str) -> tuple[Any, ...]:
        arrays = [fill(shape, dtype) for shape in build_first]
        arrays[-1] = np.square(arrays[-1]) + np.asarray(0.5, dtype)
        return *arrays, 1e-3

    return build


def classes(fill: Fill, dtype: str) -> tuple[Any, ...]:
    return fill((301, 17), dtype), fill.generator.integers(0, 17, 301), fill((301,), dtype)


def drop(fill: Fill, dtype: str) -> tuple[Any, ...]:
    return fill(IMAGES, dtype), 0.3, fill.generator


def kept(fill: Fill, dtype: str) -> tuple[Any, ...]:
    return fill(IMAGES, dtype), fill.generator.random(IMAGES) < 0.5, 0.3


def batch(fill: Fill, dtype: str) -> tuple[Any, ...]:
    images = fill.generator.integers(0, 256, (40, 28, 28, 3)).astype(np.uint8)
    return images, fill.generator.integers(0, 40, 25), dtype


IMAGES = (5, 29, 33, 19)
CHANNEL = (IMAGES[-1],)
HALVES = slide((29, 33), (2, 2), (2, 2), "same")
THIRDS = slide((29, 33), (3, 3), (2, 2), "same")

CASES = [
    simple("matmul", (131, 67), (67, 37)),
    Case("gather", "gather", batch),
    simple("im2col", IMAGES, THIRDS),
    simple("col2im", (5 * 15 * 17, 9 * 19), THIRDS),
    *convolution("3x3", (3, 18, 21, 19), (3, 3), 37),
    *convolution("3x3_valid", (3, 14, 15, 16), (3, 3), 32, padding="valid"),
    *convolution("1x1", (3, 13, 17, 35), (1, 1), 21),
    *convolution("1x1_strided", (3, 13, 17, 35), (1, 1), 21, strides=(2, 2)),
    *convolution("few_channels", (3, 29, 27, 3), (7, 7), 18, strides=(2, 2)),
    *convolution("one_channel", (5, 28, 28, 1), (3, 3), 6),
    *convolution("dilated", (2, 19, 20, 7), (3, 3), 9, dilation=(2, 3)),
    *convolution("groups", (2, 19, 20, 12), (3, 3), 18, groups=3),
    *convolution("depthwise", (2, 19, 20, 18), (3, 3), 18, groups=18),
    *[simple("activate", IMAGES, CHANNEL, a, name=f"activate-{name_of(a)}") for a in ACTIVATIONS],
    *[activation_gradient(activation) for activation in ACTIVATIONS],
    simple("max_pool", IMAGES, HALVES, name="max_pool-2x2"),
    simple("max_pool", IMAGES, THIRDS, name="max_pool-3x3"),
    Case("max_pool_backward", "max_pool_backward", argmax_gradient),
    simple("average_pool", IMAGES, HALVES, name="average_pool-2x2"),
    simple("average_pool", IMAGES, THIRDS, name="average_pool-3x3"),
    simple("average_pool_backward", (5, 15, 17, 19), HALVES, name="average_pool_backward-2x2"),
    simple("average_pool_backward", (5, 15, 17, 19), THIRDS, name="average_pool_backward-3x3"),
    simple("batch_norm", IMAGES, CHANNEL, CHANNEL, 1e-3),
    *[
        Case(operation, operation, with_positive_variance(shapes))
        for operation, shapes in {
            "normalize": (IMAGES, CHANNEL, CHANNEL, CHANNEL, CHANNEL),
            "normalize_backward": (IMAGES, IMAGES, CHANNEL, CHANNEL, CHANNEL),
            "batch_norm_backward": (IMAGES, IMAGES, CHANNEL, CHANNEL, CHANNEL),
        }.items()
    ],
    Case("dropout", "dropout", drop),
    Case("dropout_backward", "dropout_backward", kept),
    Case("softmax_cross_entropy-classes", "softmax_cross_entropy", classes),
    simple("softmax_cross_entropy", (301, 17), (301, 17), (301,)),
    simple("sigmoid_cross_entropy", (301, 17), (301, 17), (301,)),
]
