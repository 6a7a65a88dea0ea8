"""Convolution: one sum of products, read three ways.

The output is a sum of terms  pixel * weight,

    z[n, i, j, f] = sum of x[n, row, col, channel] * kernel[k, l, c, f]

and `terms` lists them. Because z is linear in each factor, the gradient of either
one takes the very same terms, with dz in the place of the factor looked for.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from tests.reference.windows import pixels, positions
from tinyconv.geometry import Window


def terms(
    window: Window, batch: int, kernel_channels: int, filters: int, groups: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """The index of z, of x and of the kernel in each product.

    A kernel has as many channels as one group of the image: the filters of group g
    see the channels of group g only.
    """
    filters_per_group = filters // groups
    for n, (i, j), f in product(range(batch), positions(window), range(filters)):
        group = f // filters_per_group
        for k, l, row, col in pixels(window, i, j):
            for c in range(kernel_channels):
                channel = group * kernel_channels + c
                yield (n, i, j, f), (n, row, col, channel), (k, l, c, f)


def conv2d(x: np.ndarray, kernel: np.ndarray, window: Window, groups: int = 1) -> np.ndarray:
    """z: each output sums its terms."""
    x, kernel = np.float64(x), np.float64(kernel)
    z = np.zeros((len(x), *window.output, kernel.shape[3]))
    for output, pixel, weight in terms(window, len(x), *kernel.shape[2:], groups):
        z[output] += x[pixel] * kernel[weight]
    return z


def conv2d_input_gradient(
    dz: np.ndarray, kernel: np.ndarray, window: Window, groups: int = 1
) -> np.ndarray:
    """dx: a pixel takes part in many terms; each sends back dz times its weight."""
    dz, kernel = np.float64(dz), np.float64(kernel)
    dx = np.zeros((len(dz), *window.input, kernel.shape[2] * groups))
    for output, pixel, weight in terms(window, len(dz), *kernel.shape[2:], groups):
        dx[pixel] += dz[output] * kernel[weight]
    return dx


def conv2d_kernel_gradient(
    x: np.ndarray, dz: np.ndarray, window: Window, groups: int = 1
) -> np.ndarray:
    """dkernel: a weight takes part in many terms; each sends back dz times its pixel."""
    x, dz = np.float64(x), np.float64(dz)
    kernel_channels, filters = x.shape[3] // groups, dz.shape[3]
    dkernel = np.zeros((*window.size, kernel_channels, filters))
    for output, pixel, weight in terms(window, len(x), kernel_channels, filters, groups):
        dkernel[weight] += dz[output] * x[pixel]
    return dkernel


def im2col(x: np.ndarray, window: Window) -> np.ndarray:
    """One row per window, numbered n, i, j; one column per tap and channel, numbered k, l, c."""
    x = np.float64(x)
    N, C = x.shape[0], x.shape[3]
    columns = np.zeros((N * window.output[0] * window.output[1], *window.size, C))
    for row_of_columns, (n, (i, j)) in enumerate(product(range(N), positions(window))):
        for k, l, row, col in pixels(window, i, j):
            for c in range(C):
                columns[row_of_columns, k, l, c] = x[n, row, col, c]
    return columns.reshape(len(columns), -1)


def col2im(columns: np.ndarray, window: Window) -> np.ndarray:
    """Each pixel sums its copies: im2col with the assignment turned around."""
    windows_per_image = window.output[0] * window.output[1]
    N, C = len(columns) // windows_per_image, columns.shape[1] // (window.size[0] * window.size[1])
    copies = np.float64(columns).reshape(len(columns), *window.size, C)
    x = np.zeros((N, *window.input, C))
    for row_of_columns, (n, (i, j)) in enumerate(product(range(N), positions(window))):
        for k, l, row, col in pixels(window, i, j):
            for c in range(C):
                x[n, row, col, c] += copies[row_of_columns, k, l, c]
    return x
