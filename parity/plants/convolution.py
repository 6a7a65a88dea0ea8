"""Errors in Conv2D, Dense, and the arithmetic of padding."""

from __future__ import annotations

from typing import Any

from parity.plants.plant import Plant, after, before, function, operation
from tinyconv import geometry
from tinyconv.backends.base import Array
from tinyconv.layers import Dense

# Paddings with an odd number of zeros, by the layers that have them.
_ODD = (
    "Conv2D: same, stride 1, kernel 2, *",
    "Conv2D: same, stride 1, kernel 4, *",
    "Conv2D: same, stride 2, kernel 3, even size",
    "MaxPooling2D: same, pool 2, stride 1, *",
    "AveragePooling2D: same, pool 2, stride 1, *",
)
_SQUARE = ("Conv2D: same, stride ?, kernel 3, *", "Conv2D: groups *", "Conv2D: dilation 2")


def _symmetric(original: Any) -> Any:
    def same_padding(*args: int) -> tuple[int, int]:
        total = sum(original(*args))
        return (total + 1) // 2, (total + 1) // 2

    return same_padding


def _strideless(original: Any) -> Any:
    def same_padding(length: int, size: int, stride: int, dilation: int) -> tuple[int, int]:
        return original(length, size, 1, dilation)

    return same_padding


def _flipped(self: Any, x: Array, kernel: Array, window: Any, groups: int) -> tuple[Any, ...]:
    return self, x, kernel[::-1, ::-1], window, groups


def _undilated(self: Any, x: Array, kernel: Array, window: Any, groups: int) -> tuple[Any, ...]:
    return self, x, kernel, window._replace(dilation=(1, 1)), groups


def _next_group(self: Any, x: Array, kernel: Array, window: Any, groups: int) -> tuple[Any, ...]:
    return self, x.take(range(-1, x.shape[3] - 1), axis=3), kernel, window, groups


def _mean_bias(result: Any, self: Any, dy: Array, *args: Any) -> Any:
    dz, dbias = result
    return dz, None if dbias is None else dbias / (dy.size // dy.shape[-1])


def _last_row(result: Any, self: Any, dy: Array, cache: Any) -> Any:
    dz, grads = result
    x = cache.x.reshape(-1, cache.x.shape[-1])[-1:]
    return dz, {**grads, "kernel": x.T @ dz[-1:]}


PLANTS: list[Plant] = [
    operation("convolution with a flipped kernel", "conv2d", before(_flipped), *_SQUARE),
    operation("a transposed kernel gradient", "conv2d_kernel_gradient",
              after(lambda result, *_: result.swapaxes(0, 1)), *_SQUARE, "Conv2D: kernel 5x2"),
    operation("a kernel gradient without the sum over the batch", "conv2d_kernel_gradient",
              after(lambda result, self, x, *_: result / len(x)), *_SQUARE),
    operation("dx with the kernel the wrong way round", "conv2d_input_gradient",
              before(_flipped), *_SQUARE),
    operation("dilation forgotten", "conv2d", before(_undilated), "Conv2D: dilation *"),
    operation("groups that see their neighbour's channels", "conv2d", before(_next_group),
              "Conv2D: groups *", "Conv2D: depthwise*"),
    operation("a bias gradient that is a mean", "activate_backward", after(_mean_bias),
              "Conv2D: activation *", "Dense: activation *", "Dense: 4-D"),
    function("the odd zero of the padding in front", geometry, "same_padding",
             after(lambda result, *_: result[::-1]), *_ODD),
    function("symmetric padding", geometry, "same_padding", _symmetric, *_ODD),
    function("padding that ignores the stride", geometry, "same_padding", _strideless,
             "Conv2D: same, stride 2, kernel 3, even size",
             "Conv2D: same, stride 3, kernel 3, *",
             "MaxPooling2D: same, pool 3, stride 2, even size"),
    function("a Dense kernel gradient of the last row alone", Dense, "_backward_parameters",
             after(_last_row), "Dense: ?-D", "Dense: activation *"),
    function("a Dense dx without the activation", Dense, "_activate_backward",
             lambda original: lambda self, dy, cache: (dy, original(self, dy, cache)[1]),
             "Dense: activation sigmoid", "Dense: activation tanh", "Dense: activation softmax"),
]  # fmt: skip
