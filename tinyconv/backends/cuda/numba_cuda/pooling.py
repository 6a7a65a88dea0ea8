"""Max-pooling, there and back, in Numba CUDA."""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.numba_cuda.launching import cuda, empty, run
from tinyconv.geometry import Window


def max_pool_loops(
    y: Array, argmax: Array, x: Array, KH: int, KW: int, SH: int, SW: int, top: int, left: int
) -> None:
    """y[n,i,j,c] = max over k,l of x[n, i*SH + k - top, j*SW + l - left, c]; a thread a maximum.

    Taps are visited in reading order and only a greater one wins, so a tie belongs to the
    first; NaN wins against any number, and then stays. Padding is not visited.
    """
    _, H, W, _ = x.shape
    _, OH, OW, C = y.shape
    for element in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        c, j = element % C, element // C % OW
        i, n = element // (C * OW) % OH, element // (C * OW * OH)
        h, w = i * SH - top, j * SW - left
        first_k, first_l = max(0, -h), max(0, -w)
        best, tap = x[n, h + first_k, w + first_l, c], first_k * KW + first_l
        for k in range(first_k, min(KH, H - h)):
            for l in range(first_l, min(KW, W - w)):
                value = x[n, h + k, w + l, c]
                if value > best or (value != value and best == best):
                    best, tap = value, k * KW + l
        y[n, i, j, c] = best
        argmax[n, i, j, c] = tap


def max_pool_backward_loops(
    dx: Array, dy: Array, argmax: Array, KH: int, KW: int, SH: int, SW: int, top: int, left: int
) -> None:
    """dx[n,h,w,c] = sum of dy[n,i,j,c] over the windows (i, j) whose maximum was there.

    A thread a channel of a pixel, which asks the windows that have seen it: nobody else
    writes there.
    """
    _, H, W, C = dx.shape
    _, OH, OW, _ = dy.shape
    for element in range(cuda.grid(1), dx.size, cuda.gridsize(1)):
        c, w, h, n = element % C, element // C % W, element // (C * W) % H, element // (C * W * H)
        total = dx.dtype.type(0)
        for k in range(KH):
            down = h + top - k
            if 0 <= down < OH * SH and down % SH == 0:
                for l in range(KW):
                    right = w + left - l
                    if 0 <= right < OW * SW and right % SW == 0:
                        i, j = down // SH, right // SW
                        if argmax[n, i, j, c] == k * KW + l:
                            total += dy[n, i, j, c]
        dx[n, h, w, c] = total


max_pool_kernel = cuda.jit(max_pool_loops)
max_pool_backward_kernel = cuda.jit(max_pool_backward_loops)


def max_pool(x: Array, window: Window) -> tuple[Array, Array]:
    """x (N, H, W, C) -> (y, argmax), both (N, OH, OW, C); argmax the tap of the first maximum."""
    shape = (x.shape[0], *window.output, x.shape[3])
    y, argmax = empty(x, shape), empty(x, shape, np.int32)
    run(max_pool_kernel, y, argmax, x, *_steps(window))
    return y, argmax


def max_pool_backward(dy: Array, argmax: Array, window: Window) -> Array:
    """dy (N, OH, OW, C) -> dx (N, H, W, C): each gradient goes to its maximum."""
    dx = empty(dy, (dy.shape[0], *window.input, dy.shape[3]))
    run(max_pool_backward_kernel, dx, dy, argmax, *_steps(window))
    return dx


def _steps(window: Window) -> tuple[int, ...]:
    """KH, KW, SH, SW, top, left."""
    (top, _), (left, _) = window.padding
    return *window.size, *window.strides, top, left
