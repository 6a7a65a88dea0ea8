"""Operations with realistic arguments, for the rules that all of them keep.

The shapes are large enough for blocks, tiles, threads and recycled memory to come
into play, and odd enough to leave remainders everywhere.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.backends.calling import ACTIVATIONS, name_of
from tests.strategies import Fill
from tinyconv.backends.base import NEED_INPUT, Activation
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


def given_statistics(fill: Fill, dtype: str) -> tuple[Any, ...]:
    mean, variance = fill(CHANNEL, dtype), np.square(fill(CHANNEL, dtype)) + np.asarray(0.5, dtype)
    parameters = fill(CHANNEL, dtype), fill(CHANNEL, dtype)
    images = fill(IMAGES, dtype), fill(IMAGES, dtype)
    return *images, *parameters, (mean, variance), 1e-3, RELU, True


def conv_blocks(name: str, activation: Activation, pool: Any, bias: bool = True) -> list[Case]:
    """A convolution with what follows it, there and back."""
    window = slide((18, 22), (3, 3), (1, 1), "same")
    pooled = pool and slide((18, 22), *pool)

    def build(back: bool) -> Callable[[Fill, str], tuple[Any, ...]]:
        def arguments(fill: Fill, dtype: str) -> tuple[Any, ...]:
            x, kernel = fill((3, 18, 22, 19), dtype), fill((3, 3, 19, 37), dtype)
            shift = fill((37,), dtype) if bias else None
            there = x, kernel, shift, window, 1, activation, pooled
            dy = fill((3, *(pooled or window).output, 37), dtype)
            return (dy, *there, True, True) if back else (*there, True)

        return arguments

    return [
        Case(f"conv_block-{name}", "conv_block", build(False)),
        Case(f"conv_block_backward-{name}", "conv_block_backward", build(True)),
    ]


def conv_and_sum(activation: Activation, size: int = 1) -> Callable[[Fill, str], tuple[Any, ...]]:
    """A convolution whose result another image is added to."""
    window = slide((18, 22), (size, size), (1, 1), "same")

    def arguments(fill: Fill, dtype: str) -> tuple[Any, ...]:
        x, kernel = fill((3, 18, 22, 67), dtype), fill((size, size, 67, 37), dtype)
        bias, other = fill((37,), dtype), fill((3, 18, 22, 37), dtype)
        return x, kernel, bias, other, window, 1, activation

    return arguments


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
LINEAR, RELU, TANH = Activation("linear"), Activation("relu"), Activation("tanh")

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
    *conv_blocks("linear", LINEAR, None),
    *conv_blocks("relu", RELU, None),
    *conv_blocks("relu-pool", RELU, ((2, 2), (2, 2), "valid")),
    *conv_blocks("no_bias-pool", LINEAR, ((2, 2), (2, 2), "valid"), bias=False),
    *conv_blocks("tanh-pool", TANH, ((3, 3), (2, 2), "same")),
    simple("dense_block", (131, 67), (67, 37), (37,), RELU, True),
    simple("dense_block", (131, 67), (67, 37), None, TANH, False, name="dense_block-no_bias"),
    simple("dense_block_backward", (131, 37), (131, 67), (67, 37), (37,), RELU, True, True),
    simple("batch_norm_block", IMAGES, CHANNEL, CHANNEL, None, 1e-3, RELU, True),
    simple("batch_norm_block_backward", IMAGES, IMAGES, CHANNEL, CHANNEL, None, 1e-3, RELU, True),
    Case("batch_norm_block_backward-given", "batch_norm_block_backward", given_statistics),
    Case("conv_add", "conv_add", conv_and_sum(RELU)),
    Case("conv_add-tanh", "conv_add", conv_and_sum(TANH)),
    Case("conv_add-3x3", "conv_add", conv_and_sum(RELU, size=3)),
    Case("zero_pad", "zero_pad", lambda fill, dtype: (fill(IMAGES, dtype), ((1, 2), (3, 0)))),
    simple("add_block", IMAGES, IMAGES, RELU, True),
    simple("add_block", IMAGES, IMAGES, TANH, False, name="add_block-tanh"),
    simple("add_block_backward", IMAGES, IMAGES, IMAGES, RELU),
    Case("dropout", "dropout", drop),
    Case("dropout_backward", "dropout_backward", kept),
    Case("softmax_cross_entropy-classes", "softmax_cross_entropy", classes),
    simple("softmax_cross_entropy", (301, 17), (301, 17), (301,)),
    simple("sigmoid_cross_entropy", (301, 17), (301, 17), (301,)),
]
