"""Convolution as a matrix product whose columns are never written.

A block of threads computes a tile of z, and gathers the piece of the columns that it needs
just now from the image into shared memory (kernels/implicit_gemm.cu; the gradient of the
kernel in kernels/kernel_gradient.cu). What follows the sum, bias, ReLU and a 2x2 pool, is
done in registers before anything is written.

The gradient of the input is a convolution, too: of dz with the flipped kernel, channels and
filters exchanged. With strides it falls apart into SH * SW phases. Row h of dx is seen by
the taps k with (h + top - k*DH) % SH == 0 only, and these are the same for every SH-th row:
for those rows it is a convolution with stride 1 and fewer taps (Dumoulin & Visin 2016,
chapter 4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.convolution.case import PLAIN, ConvCase, Epilogue
from tinyconv.backends.cuda.convolution.epilogue import results, total, whole_vectors
from tinyconv.backends.cuda.convolution.im2col import steps
from tinyconv.backends.cuda.device import Device
from tinyconv.geometry import Window

Tile = tuple[int, int]

SMALL = 32, 32  # the tile of which a thread has 4 x 4 numbers; 8 x 8 of the others
LEAST_PIXELS = 64  # of a share of the sum in the gradient of the kernel


def reason_against(case: ConvCase) -> str | None:
    """None: any stride, padding, dilation and groups."""
    return None


# ---- forward ------------------------------------------------------------------------


class Placement(NamedTuple):
    """Output row i goes to row first_row + i * row_step of y, columns likewise."""

    first_row: int = 0
    row_step: int = 1
    first_column: int = 0
    column_step: int = 1


def forward(
    device: Device, x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
) -> tuple[Array, Array | None]:
    """y[n,i,j,f] = epilogue(sum over k,l,c of xp[n, i*SH+k*DH, j*SW+l*DW, c] * kernel[k,l,c,f])."""
    F = kernel.shape[3]
    y, codes = results(device, (len(x), *window.output, F), epilogue, x.dtype)
    place = (*steps(window), *window.output)
    _convolve(device, x, kernel.reshape(-1, F), y, codes, groups, place, epilogue, Placement())
    return y, codes


def _convolve(
    device: Device, x: Array, matrix: Array, y: Array, codes: Array | None, groups: int,
    place: tuple[int, ...], epilogue: Epilogue, placement: Placement,
) -> None:  # fmt: skip
    """Fill y; matrix (KH*KW*C // groups, F), place = KH, KW, SH, SW, DH, DW, top, left, OH, OW."""
    (N, _, _, C), F, (OH, OW) = x.shape, matrix.shape[1], place[-2:]
    if epilogue.pool:
        rows = N * (OH // 2) * (OW // 2) * 4  # what no pool sees is not computed
    else:
        rows = N * OH * OW
    if rows == 0:
        return
    bias = None if epilogue.bias is None else device.xp.ascontiguousarray(epilogue.bias)
    BM, BN = tile_for(device, rows, F // groups, groups)
    device.launch_blocks(
        f"implicit_gemm:convolve_{BM}x{BN}", x.dtype,
        (-(-rows // BM) * -(-F // groups // BN), 1, groups), threads((BM, BN)),
        x, matrix, bias, y, codes, *x.shape, F, groups, *place, *y.shape[1:3], *placement,
        epilogue.relu, epilogue.pool,
        whole_vectors(device, (C, C // groups), x),
        whole_vectors(device, (F, F // groups), matrix, y),
    )  # fmt: skip


def tile_for(device: Device, rows: int, columns: int, groups: int) -> Tile:
    """As large as the filters fill, if there are blocks enough for every multiprocessor."""
    if columns <= 32:
        tiles = [(128, 32)]
    else:
        tiles = [(128, 64) if columns <= 64 else (128, 128), (64, 64)]
    for tile in tiles:
        blocks = -(-rows // tile[0]) * -(-columns // tile[1]) * groups
        side_by_side = 1 if threads(tile) == 256 else 2  # so that warps hide each other's waits
        if blocks >= side_by_side * device.properties.multiprocessors:
            return tile
    return SMALL


def threads(tile: Tile) -> int:
    """Of a block that computes the tile."""
    return tile[0] * tile[1] // (4 * 4 if tile == SMALL else 8 * 8)


# ---- the gradient of the input --------------------------------------------------------


class Phase(NamedTuple):
    """Every stride-th row (or column) of dx: a convolution of dz with some of the taps.

    Attributes:
        taps: which of the kernel, in the order of dz's rows.
        size: how many these are.
        dilation: rows of dz between neighbouring taps.
        top: padding of dz.
        length: rows of dx.
    """

    taps: slice
    size: int
    dilation: int
    top: int
    length: int


def phase(first: int, length: int, size: int, stride: int, dilation: int, pad: int) -> Phase:
    """Row h = first + a*stride of dx, a = 0, 1, ...:

    tap k sees it from row i = a + (first + pad - k*dilation) / stride of dz, if that is whole.
    """
    taps = [k for k in range(size) if (first + pad - k * dilation) % stride == 0]
    rows = -(-(length - first) // stride)
    if not taps:
        return Phase(slice(0, 0), 0, 1, 0, rows)
    step = stride // math.gcd(stride, dilation)
    top = (taps[-1] * dilation - first - pad) // stride
    return Phase(slice(taps[-1], None, -step), len(taps), step * dilation // stride, top, rows)


def input_gradient(device: Device, dz: Array, kernel: Array, window: Window, groups: int) -> Array:
    """dx[n,h,w,c] = sum of dz[n,i,j,f] * kernel[k,l,c,f] over i*SH + k*DH - top = h, same for w."""
    (H, W), (SH, SW), (KH, KW) = window.input, window.strides, window.size
    (DH, DW), ((top, _), (left, _)) = window.dilation, window.padding
    own_C = kernel.shape[2]
    grouped = kernel.reshape(KH, KW, own_C, groups, -1)
    rows = [phase(h, H, KH, SH, DH, top) for h in range(min(SH, H))]
    cols = [phase(w, W, KW, SW, DW, left) for w in range(min(SW, W))]
    unseen = any(each.size == 0 for each in (*rows, *cols))
    make = device.xp.zeros if unseen else device.xp.empty
    dx: Array = make((len(dz), H, W, own_C * groups), dz.dtype)
    for h, row in enumerate(rows):
        for w, col in enumerate(cols):
            if row.size == 0 or col.size == 0:
                continue
            taps = grouped[row.taps, col.taps].transpose(0, 1, 4, 3, 2)
            matrix = device.xp.ascontiguousarray(taps)
            matrix = matrix.reshape(-1, own_C * groups)
            place = (
                row.size, col.size, 1, 1, row.dilation, col.dilation, row.top, col.top,
                row.length, col.length,
            )  # fmt: skip
            where = Placement(h, SH, w, SW)
            _convolve(device, dz, matrix, dx, None, groups, place, PLAIN, where)
    return dx


# ---- the gradient of the kernel ---------------------------------------------------------


def kernel_gradient(device: Device, x: Array, dz: Array, window: Window, groups: int) -> Array:
    """dkernel[k,l,c,f] = sum over n,i,j of xp[n, i*SH+k*DH, j*SW+l*DW, c] * dz[n,i,j,f]."""
    shape = *window.size, x.shape[3] // groups, dz.shape[3]
    return _sum_of_products(device, x, dz, window, groups, False).reshape(shape)


def parameter_gradients(
    device: Device, x: Array, dz: Array, window: Window, groups: int
) -> tuple[Array, Array]:
    """dkernel, and dbias = sum of dz in the same pass."""
    shape = *window.size, x.shape[3] // groups, dz.shape[3]
    sums = _sum_of_products(device, x, dz, window, groups, True)
    return sums[:-1].reshape(shape), sums[-1]


def _sum_of_products(
    device: Device, x: Array, dz: Array, window: Window, groups: int, with_bias: bool
) -> Array:
    """dkernel as a matrix (KH*KW*C // groups, F), and with the bias another row for dbias."""
    (N, _, _, C), F, (OH, OW) = x.shape, dz.shape[3], window.output
    rows, columns = window.size[0] * window.size[1] * C // groups, F // groups
    BM, BN = gradient_tile(rows, columns)
    tiles = -(-rows // BM) * -(-columns // BN) * groups
    splits = _splits(device, tiles, N * OH * OW, groups)
    partial = device.xp.empty((splits, rows + with_bias, F), x.dtype)
    device.launch_blocks(
        f"kernel_gradient:gradient_{BM}x{BN}", x.dtype,
        (-(-rows // BM), -(-columns // BN), groups * splits), threads((BM, BN)),
        x, dz, partial, *x.shape, F, groups, *steps(window), OH, OW, splits, with_bias,
        whole_vectors(device, (C, C // groups), x),
        whole_vectors(device, (F, F // groups), dz),
    )  # fmt: skip
    return partial[0] if splits == 1 else total(device, partial)


def gradient_tile(rows: int, columns: int) -> Tile:
    """As large as the kernel fills."""
    if rows <= 32:
        return SMALL
    return (128, 128) if rows >= 128 and columns >= 128 else (64, 64)


def _splits(device: Device, tiles: int, pixels: int, groups: int) -> int:
    """Shares of the sum: enough for every multiprocessor, each of some length."""
    wanted = -(-4 * device.properties.multiprocessors // tiles)
    return max(1, min(wanted, pixels // LEAST_PIXELS, 65535 // groups))
