"""The kernels of implicit_gemm.py: bands of an image, tiles of a band."""

from __future__ import annotations

from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit_inner, jit_parallel
from tinyconv.backends.numba.convolution.epilogue import finish_band, unpool_band
from tinyconv.backends.numba.convolution.packing import bordered, clear, pack_pixels
from tinyconv.backends.numba.microkernel import HALF_ROWS, ROWS, VECTORS, make

SHORT_ROWS = 3  # a kernel row of one channel: few numbers, but an exact fit
LONG_ROWS = HALF_ROWS + SHORT_ROWS if HALF_ROWS + SHORT_ROWS < ROWS else HALF_ROWS

full_tile, half_tile = make(ROWS, VECTORS, False), make(HALF_ROWS, VECTORS, False)
add_full_tile, add_half_tile = make(ROWS, VECTORS, True), make(HALF_ROWS, VECTORS, True)
add_short_tile = make(SHORT_ROWS, VECTORS, True)


# ---- a row of tiles --------------------------------------------------------------------


def tiles_loops(
    A: Array, a: int, a_row: int, a_col: int, a_outer: int, B: Array, b: int, width: int,
    C: Array, c: int, K: int, R: int, count: int,
) -> None:  # fmt: skip
    """C[i, v] = sum over r, k of A[a + i*a_row + k*a_col + r*a_outer] * B[(r, k), v], i < count.

    B and C are panels, `width` numbers a row. C has room for tiled(count) rows, and A may
    be read as far.
    """
    i = 0
    while i < count:
        at, to = a + i * a_row, c + i * width
        if count - i > HALF_ROWS:
            full_tile(A, at, a_row, a_col, a_outer, B, b, width, K * width, C, to, width, K, R)
            i += ROWS
        else:
            half_tile(A, at, a_row, a_col, a_outer, B, b, width, K * width, C, to, width, K, R)
            i += HALF_ROWS


def add_tiles_loops(
    A: Array, a: int, a_row: int, a_col: int, a_outer: int, B: Array, b: int, width: int,
    C: Array, c: int, K: int, R: int, count: int,
) -> None:  # fmt: skip
    """The same, added to C."""
    i = 0
    while i < count:
        at, to = a + i * a_row, c + i * width
        if count - i > LONG_ROWS:
            add_full_tile(A, at, a_row, a_col, a_outer, B, b, width, K * width, C, to, width, K, R)
            i += ROWS
        elif count - i > SHORT_ROWS:
            add_half_tile(A, at, a_row, a_col, a_outer, B, b, width, K * width, C, to, width, K, R)
            i += HALF_ROWS
        else:
            add_short_tile(A, at, a_row, a_col, a_outer, B, b, width, K * width, C, to, width, K, R)
            i += SHORT_ROWS


tiles = jit_inner(tiles_loops)
add_tiles = jit_inner(add_tiles_loops)


# ---- forward ----------------------------------------------------------------------------


def multiply_band_loops(
    image: Array, a: int, SH: int, DH: int, pixel: int, row: int, tap: int, panel: Array,
    z: Array, rows: int, OW: int, pieces: bool,
) -> None:  # fmt: skip
    """z[i, j] = the window of output pixel (i, j) times one panel (KH, KW, C, width) of the kernel.

    `pixel`, `row` and `tap`: numbers of the image from one output pixel to the next, from one
    row to the next, and from tap to tap where `pieces`, its taps not being contiguous.
    """
    KH, KW, C, width = panel.shape
    flat_panel, flat_z = panel.reshape(-1), z.reshape(-1)
    if pieces:
        clear(flat_z)
    for i in range(rows):
        c = i * z.shape[1] * width
        if pieces:
            for k in range(KH):
                at, b = a + (i * SH + k * DH) * row, k * KW * C * width
                add_tiles(image, at, pixel, 1, tap, flat_panel, b, width, flat_z, c, C, KW, OW)
        else:
            at = a + i * SH * row
            tiles(image, at, pixel, 1, DH * row, flat_panel, 0, width, flat_z, c, KW * C, KH, OW)


multiply_band = jit_inner(multiply_band_loops)


def forward_share_loops(
    x: Array, panels: Array, bias: Array, y: Array, codes: Array, image: Array, z: Array,
    first_band: int, last_band: int, SH: int, SW: int, DH: int, DW: int, top: int, left: int,
    OH: int, OW: int, height: int, width: int, h0: int, hs: int, w0: int, ws: int, relu: int,
    pool: int,
) -> None:  # fmt: skip
    """One thread's bands: copy, multiply, finish."""
    C = x.shape[3]
    G, P, KH, _, Cg, panel = panels.shape
    Fg = y.shape[3] // G
    bands = -(-OH // height)
    for index in range(first_band, last_band):
        n, first = index // bands, index % bands * height
        rows = min(height, OH - first)
        seen = (rows - 1) * SH + (KH - 1) * DH + 1
        bordered(x[n], image, first * SH - top, left, seen, width)
        for g in range(G):
            for p in range(P):
                multiply_band(
                    image, g * Cg, SH, DH, SW * C, width * C, DW * C, panels[g, p], z, rows,
                    OW, G > 1 or DW > 1,
                )  # fmt: skip
                finish_band(
                    z, y, codes, bias, n, g * Fg + p * panel, min(panel, Fg - p * panel),
                    rows, OW, first, h0, hs, w0, ws, relu, pool,
                )  # fmt: skip


forward_share = jit_inner(forward_share_loops)


def forward_loops(
    x: Array, panels: Array, bias: Array, y: Array, codes: Array, images: Array, sums: Array,
    SH: int, SW: int, DH: int, DW: int, top: int, left: int, OH: int, OW: int, height: int,
    width: int, h0: int, hs: int, w0: int, ws: int, relu: int, pool: int,
) -> None:  # fmt: skip
    """Every thread takes its share of all bands."""
    bands, T = x.shape[0] * -(-OH // height), images.shape[0]
    for t in prange(T):
        forward_share(
            x, panels, bias, y, codes, images[t], sums[t], t * bands // T, (t + 1) * bands // T,
            SH, SW, DH, DW, top, left, OH, OW, height, width, h0, hs, w0, ws, relu, pool,
        )  # fmt: skip


forward_kernel = jit_parallel(forward_loops)


# ---- the gradient of the kernel ------------------------------------------------------------


def gradient_share_loops(
    x: Array, dz: Array, codes: Array, sums: Array, dbias: Array, image: Array, dz_band: Array,
    first_band: int, last_band: int, SH: int, SW: int, DH: int, DW: int, top: int, left: int,
    OH: int, OW: int, height: int, width: int, KH: int, length: int,
) -> None:  # fmt: skip
    """sums[g, p, q] = the products of one thread's bands.

    Piece q of a window: `length` contiguous numbers, a kernel row or one tap of it. With
    codes, dz is the gradient of the pooled result: it is un-pooled into the scratch dz_band,
    and dbias is summed on the way.
    """
    C = x.shape[3]
    G, P, Q, _, panel = sums.shape
    Cg, Fg = C // G, dz.shape[3] // G
    in_row, row = Q // KH, width * C
    bands = -(-OH // height)
    clear(sums.reshape(-1))
    clear(dbias)
    clear(dz_band.reshape(-1))
    for index in range(first_band, last_band):
        n, first = index // bands, index % bands * height
        rows = min(height, OH - first)
        seen = (rows - 1) * SH + (KH - 1) * DH + 1
        bordered(x[n], image, first * SH - top, left, seen, width)
        for g in range(G):
            if codes.size == 0:
                pack_pixels(dz[n], dz_band, first, rows, g * Fg, Fg)
            for p in range(P):
                if codes.size > 0:
                    f, used = g * Fg + p * panel, min(panel, Fg - p * panel)
                    for i in range(0, rows, 2):
                        unpool_band(
                            dz, codes, dz_band[p].reshape(-1), dbias, n, (first + i) // 2, f, used,
                            i * OW * panel, OW * panel, panel,
                        )  # fmt: skip
                for q in range(Q):
                    a = g * Cg + q // in_row * DH * row + q % in_row * DW * C
                    add_tiles(
                        image, a, 1, SW * C, SH * row, dz_band[p].reshape(-1), 0, panel,
                        sums[g, p, q].reshape(-1), 0,
                        OW, rows, length,
                    )  # fmt: skip


gradient_share = jit_inner(gradient_share_loops)


def gradient_loops(
    x: Array, dz: Array, codes: Array, partial: Array, dbias: Array, images: Array, pixels: Array,
    SH: int, SW: int, DH: int, DW: int, top: int, left: int, OH: int, OW: int, height: int,
    width: int, KH: int, length: int,
) -> None:  # fmt: skip
    """partial[t] and dbias[t] are the sums of thread t."""
    bands, T = x.shape[0] * -(-OH // height), images.shape[0]
    for t in prange(T):
        gradient_share(
            x, dz, codes, partial[t], dbias[t], images[t], pixels[t],
            t * bands // T, (t + 1) * bands // T,
            SH, SW, DH, DW, top, left, OH, OW, height, width, KH, length,
        )  # fmt: skip


def total_loops(partial: Array, dkernel: Array) -> None:
    """dkernel (Q, length, F) = the sum over the threads, in their order, out of the panels."""
    T, G, P, Q, _, width = partial.shape
    length, Fg = dkernel.shape[1], dkernel.shape[2] // G
    for q in prange(Q):
        for g in range(G):
            for p in range(P):
                f, used = g * Fg + p * width, min(width, Fg - p * width)
                for i in range(length):
                    total = dkernel[q, i, f : f + used]
                    for t in range(T):
                        own = partial[t, g, p, q, i]
                        if t == 0:
                            for v in range(used):
                                total[v] = own[v]
                        else:
                            for v in range(used):
                                total[v] += own[v]


gradient_kernel = jit_parallel(gradient_loops)
total_kernel = jit_parallel(total_loops)
