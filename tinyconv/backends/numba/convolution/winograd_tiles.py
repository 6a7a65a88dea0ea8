"""Between images and Winograd's tiles: what is read before the products and written after.

A strip is the part of the image that some tiles of one tile row look at, copied
between zeros: the edges of the image are nobody else's business. Tiles that stick out
of y, or filters that do not fill a vector, are written beside it and copied.

    one image, m = 4:      +-----+-----+-----+-----+
                        ===|=====|=====|=====|=====|===
                        |  | t0  | t1  | t2  | t3  |  |    a strip: m + 2 = 6 rows of
                        ===|=====|=====|=====|=====|===    the image for t0 ... t3
                           | t4  | t5  | t6  | t7  |
"""

from __future__ import annotations

from tinyconv.backends.base import Array
from tinyconv.backends.numba import tile_transforms as transforms
from tinyconv.backends.numba._jit import jit, jit_inner
from tinyconv.backends.numba.convolution.packing import bordered
from tinyconv.backends.numba.microkernel import VECTORS, lanes

NO_POOL, POOL, CODES = 0, 1, 2  # what `pool` may be

input2, input4 = transforms.input2, transforms.input4
spread2, spread4 = transforms.spread2, transforms.spread4
finish2, finish4 = transforms.finish2, transforms.finish4
pool2, pool4 = transforms.pool2, transforms.pool4
codes2, codes4 = transforms.codes2, transforms.codes4


# ---- from the image to transformed tiles -----------------------------------------


def input_loops(
    x: Array, V: Array, v_row: int, strip: Array, m: int, top: int, left: int,
    rows: int, cols: int, first: int, count: int,
) -> None:  # fmt: skip
    """V[tap, i, c] = (B^T d B)[tap] of tile first + i, for all channels c.

    V (taps, numbers), v_row numbers for each tile; d begins at pixel
    (m * tile row - top, m * tile column - left).
    """
    C, step, vector = x.shape[3], V.shape[1], lanes(x.dtype)
    i = 0
    while i < count:
        row, col = divmod(first + i, cols)
        run = min(count - i, cols - col)  # as many of this tile row
        width = run * m + 2
        bordered(x[row // rows], strip, row % rows * m - top, left - col * m, m + 2, width)
        for j in range(run):
            for c in range(0, C, vector):
                s, v = j * m * C + c, (i + j) * v_row + c
                if m == 4:
                    input4(strip, s, width * C, C, V, v, 6 * step, step)
                else:
                    input2(strip, s, width * C, C, V, v, 4 * step, step)
        i += run


def spread_loops(
    dz: Array, Z: Array, strip: Array, m: int, rows: int, cols: int, first: int, count: int,
    block: int, panel: int, last_panel: int,
) -> None:  # fmt: skip
    """Z[tap, p, i, v] = (A dy A^T)[tap] of tile first + i, filter (panel + p) * width + v."""
    F, step, vector = dz.shape[3], Z.shape[1], lanes(dz.dtype)
    panel_width = VECTORS * vector
    i = 0
    while i < count:
        row, col = divmod(first + i, cols)
        run = min(count - i, cols - col)
        width = run * m
        bordered(dz[row // rows], strip, row % rows * m, -col * m, m, width)
        for j in range(run):
            for f in range(panel * panel_width, min(F, last_panel * panel_width), vector):
                p, v = f // panel_width - panel, f % panel_width
                s, z = j * m * F + f, (p * block + i + j) * panel_width + v
                if m == 4:
                    spread4(strip, s, width * F, F, Z, z, 6 * step, step)
                else:
                    spread2(strip, s, width * F, F, Z, z, 4 * step, step)
        i += run


input_tiles = jit_inner(input_loops)
spread_tiles = jit_inner(spread_loops)


# ---- from products to the image --------------------------------------------------


def finish_tile_loops(
    M: Array, i: int, step: int, y: Array, start: int, y_row: int, y_col: int, bias: Array, f: int,
    m: int, relu: int, pool: int, codes: Array,
) -> None:  # fmt: skip
    """One tile: y = act(A^T M A + bias), pooled or not, for a vector of filters."""
    if m == 4:
        if pool == NO_POOL:
            finish4(M, i, 6 * step, step, y, start, y_row, y_col, bias, f, relu, codes)
        elif pool == POOL:
            pool4(M, i, 6 * step, step, y, start, y_row, y_col, bias, f, relu, codes)
        else:
            codes4(M, i, 6 * step, step, y, start, y_row, y_col, bias, f, relu, codes)
    else:
        if pool == NO_POOL:
            finish2(M, i, 4 * step, step, y, start, y_row, y_col, bias, f, relu, codes)
        elif pool == POOL:
            pool2(M, i, 4 * step, step, y, start, y_row, y_col, bias, f, relu, codes)
        else:
            codes2(M, i, 4 * step, step, y, start, y_row, y_col, bias, f, relu, codes)


finish_tile = jit(finish_tile_loops)


def output_loops(
    M: Array, m_row: int, y: Array, flat_y: Array, codes: Array, beside: Array, codes_beside: Array,
    bias: Array, m: int, rows: int, cols: int, first: int, count: int, f_first: int, f_last: int,
    relu: int, pool: int,
) -> None:  # fmt: skip
    """Write the tiles first, ..., first + count - 1 of y, filters f_first to f_last - 1.

    M[tap, i, f - f_first] are their products. y (N, OH, OW, F), pooled where `pool` is
    not 0; flat_y and codes are y and its codes as one row of numbers; `beside` has room
    for one tile.
    """
    _, OH, OW, F = y.shape
    vector, step, size = lanes(y.dtype), M.shape[1], m if pool == NO_POOL else m // 2
    for i in range(count):
        row, col = divmod(first + i, cols)
        n, h, w = row // rows, row % rows * size, col * size
        height, width = min(size, OH - h), min(size, OW - w)  # the part of the tile within y
        start = ((n * OH + h) * OW + w) * F
        for f in range(f_first, f_last, vector):
            place = i * m_row + f - f_first
            inside = height == size and width == size and f + vector <= F
            target, target_codes, to, y_row, y_col = flat_y, codes, start + f, OW * F, F
            if not inside:
                target, target_codes, to = beside, codes_beside, 0
                y_row, y_col = size * vector, vector
            finish_tile(
                M, place, step, target, to, y_row, y_col, bias, f, m, relu, pool, target_codes
            )
            if inside:
                continue
            used = min(vector, F - f)
            for k in range(height):
                for l in range(width):
                    source = (k * size + l) * vector
                    pixel = start + (k * OW + l) * F + f
                    for v in range(used):
                        flat_y[pixel + v] = beside[source + v]
                    if pool == CODES:
                        for v in range(used):
                            codes[pixel + v] = codes_beside[source + v]


output_tiles = jit_inner(output_loops)
