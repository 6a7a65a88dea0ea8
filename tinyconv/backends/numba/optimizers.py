"""Optimizer updates: each number of the flat buffers is read and written once.

Moments that shrink towards zero are set to zero on the way. A parameter whose
gradient has become exactly zero (a dead ReLU) divides its moments by a constant
every step, and after a few thousand steps they are denormal: numbers so small that
the processor computes with them a hundred times slower. Hundreds of thousands of
them would be. They are far below what epsilon lets count, so nothing is lost.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numpy import NumpyBackend

# ---- kernels; an optional buffer is None, and Numba compiles a version without it ----


def sgd_loops(
    param: Array, grad: Array, velocity: Any, nesterov: bool,
    learning_rate: float, momentum: float, tiny: float,
) -> None:  # fmt: skip
    """v = momentum v - lr g;  w += v, or with Nesterov w += momentum v - lr g."""
    zero = param.dtype.type(0)
    for i in prange(param.size):
        step = -learning_rate * grad[i]
        if velocity is not None:
            v = momentum * velocity[i] + step
            v = zero if abs(v) < tiny else v
            velocity[i] = v
            step = momentum * v + step if nesterov else v
        param[i] += step


def rmsprop_loops(
    param: Array, grad: Array, square: Array, mean: Any, velocity: Any,
    learning_rate: float, rho: float, rest: float, momentum: float, epsilon: float, tiny: float,
) -> None:  # fmt: skip
    """s = rho s + (1-rho) g^2;  w -= lr g / sqrt(s + epsilon);  centered: s - (mean of g)^2.

    rest = 1 - rho, subtracted in double precision.
    """
    zero = param.dtype.type(0)
    for i in prange(param.size):
        g = grad[i]
        s = rho * square[i] + rest * (g * g)
        s = zero if s < tiny else s
        square[i] = s
        s += epsilon
        if mean is not None:
            m = rho * mean[i] + rest * g
            m = zero if abs(m) < tiny else m
            mean[i] = m
            s -= m * m
        step = learning_rate * g / math.sqrt(s)
        if velocity is not None:
            step += momentum * velocity[i]
            step = zero if abs(step) < tiny else step
            velocity[i] = step
        param[i] -= step


def adam_loops(
    param: Array, grad: Array, m: Array, v: Array, v_max: Any,
    step_size: float, rest_1: float, rest_2: float, epsilon: float, tiny: float,
) -> None:  # fmt: skip
    """m += (1-b1)(g - m);  v += (1-b2)(g^2 - v);  w -= step m / (sqrt(v) + epsilon).

    rest_1 = 1 - b1, rest_2 = 1 - b2, subtracted in double precision.
    """
    zero = param.dtype.type(0)
    for i in prange(param.size):
        g = grad[i]
        mean = m[i] + rest_1 * (g - m[i])
        square = v[i] + rest_2 * (g * g - v[i])
        mean = zero if abs(mean) < tiny else mean
        square = zero if square < tiny else square
        m[i] = mean
        v[i] = square
        if v_max is not None:
            square = v_max[i] if square < v_max[i] else square
            v_max[i] = square
        param[i] -= step_size * mean / (math.sqrt(square) + epsilon)


sgd_kernel = jit_parallel(sgd_loops)
# g / sqrt(s) may not become g times an approximation of 1 / sqrt(s): where s has overflowed that
# is infinity times 0, and NaN.
rmsprop_kernel = jit_parallel(rmsprop_loops, fast=False)
adam_kernel = jit_parallel(adam_loops)


# ---- operations -------------------------------------------------------------


class Optimizers(NumpyBackend):
    def sgd_update(
        self,
        param: Array,
        grad: Array,
        velocity: Array | None,
        learning_rate: float,
        momentum: float,
        nesterov: bool,
    ) -> None:
        """Stochastic gradient descent in one pass."""
        scalars = _scalars(param, learning_rate, momentum)
        _update(sgd_kernel, param, grad, [velocity], bool(nesterov), *scalars)

    def rmsprop_update(
        self,
        param: Array,
        grad: Array,
        square: Array,
        mean: Array | None,
        velocity: Array | None,
        learning_rate: float,
        rho: float,
        momentum: float,
        epsilon: float,
    ) -> None:
        """RMSprop in one pass."""
        scalars = _scalars(param, learning_rate, rho, 1 - rho, momentum, epsilon)
        _update(rmsprop_kernel, param, grad, [square, mean, velocity], *scalars)

    def adam_update(
        self,
        param: Array,
        grad: Array,
        m: Array,
        v: Array,
        v_max: Array | None,
        step_size: float,
        beta_1: float,
        beta_2: float,
        epsilon: float,
    ) -> None:
        """Adam in one pass."""
        scalars = _scalars(param, step_size, 1 - beta_1, 1 - beta_2, epsilon)
        _update(adam_kernel, param, grad, [m, v, v_max], *scalars)


def _update(
    kernel: Any, param: Array, grad: Array, slots: list[Array | None], *scalars: Any
) -> None:
    """Run the kernel on flat, contiguous buffers, and see that the originals are changed."""
    dense = [None if slot is None else np.ascontiguousarray(slot) for slot in (param, *slots)]
    flat = [None if buffer is None else buffer.reshape(-1) for buffer in dense]
    kernel(flat[0], np.ascontiguousarray(grad).reshape(-1), *flat[1:], *scalars)
    for original, buffer in zip((param, *slots), dense, strict=True):
        if original is not None and buffer is not original:
            original[...] = buffer


def _scalars(param: Array, *values: float) -> list[np.floating]:
    """The values, and what counts as zero, as numbers of the dtype of the parameters.

    A Python float would be a float64 and draw the whole computation into it.
    """
    tiny = 1e8 * float(np.finfo(param.dtype).tiny)  # 1e-30 for float32
    return [param.dtype.type(value) for value in (*values, tiny)]
