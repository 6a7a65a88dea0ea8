"""Winograd's kernels: U = G g G^T, its way back, and U kept while the kernel stays as it is.

U has 36 / 9 (or 16 / 9) times as many numbers as the kernel. A training step makes it
anew, and says so; a network that predicts would make the same one for every batch, 60
million numbers for VGG16. So there U is kept once a kernel has come twice with the same
values. Whether they are the same says a fingerprint, a sum of 64 bits over all of them:
nobody has to tell when a kernel has been changed, and reading it takes a tenth of the time.
"""

from __future__ import annotations

import weakref
from typing import NamedTuple

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba import tile_transforms as transforms
from tinyconv.backends.numba._jit import jit_inner, jit_parallel
from tinyconv.backends.numba.convolution.packing import panel_width
from tinyconv.backends.numba.fingerprints import fingerprint
from tinyconv.backends.numba.microkernel import VECTORS, lanes
from tinyconv.backends.numba.workspace import empty

KEPT_BYTES = 1 << 28  # of transformed kernels at most; VGG16 has 235 million bytes

GROUP = 16  # channels done together: a cache line of them, where channels and filters change places
expand2, expand4 = transforms.expand2, transforms.expand4
reduce2, reduce4 = transforms.reduce2, transforms.reduce4

# ---- kernels ----------------------------------------------------------------


def transform_group_loops(
    kernel: Array, U: Array, m: int, exchanged: bool, panel: int, first: int, last: int
) -> None:
    """U[tap, (p, c, v)] = (G g G^T)[tap] for g = kernel[:, :, c, p*width + v], first <= c < last.

    With `exchanged` it is the flipped kernel, kernel[::-1, ::-1, p*width + v, c], that is
    transformed, for the gradient of the input. Zero for filters that do not exist.
    """
    C, F = kernel.shape[2], kernel.shape[3]
    if exchanged:
        C, F = F, C
    step, vector = U.shape[1], lanes(U.dtype)
    width = VECTORS * vector
    begin, used = panel * width, min(width, F - panel * width)
    g = np.zeros((last - first, 9, width), kernel.dtype)
    for tap in range(9):
        if exchanged:
            source = kernel[2 - tap // 3, 2 - tap % 3, begin : begin + used, first:last]
            for v in range(used):
                for c in range(last - first):
                    g[c, tap, v] = source[v, c]
        else:
            source = kernel[tap // 3, tap % 3, first:last, begin : begin + used]
            for c in range(last - first):
                for v in range(used):
                    g[c, tap, v] = source[c, v]
    for c in range(last - first):
        for v in range(0, width, vector):
            source_at, u = c * 9 * width + v, (panel * C + first + c) * width + v
            if m == 4:
                expand4(g, source_at, 3 * width, width, U, u, 6 * step, step)
            else:
                expand2(g, source_at, 3 * width, width, U, u, 4 * step, step)


def gradient_row_loops(
    sums: Array, dkernel: Array, m: int, height: int, panel: int, c: int
) -> None:
    """dkernel[i, j, c, p*width + v] = (G^T dU G)[i, j], dU[tap] = sum of sums[:, tap, (p, c, v)].

    sums (shares, taps, numbers) has `height` rows c in each panel. The shares are added in
    their order, in the memory of the first.
    """
    shares, taps, step = sums.shape
    vector = lanes(sums.dtype)
    width = VECTORS * vector
    begin, used = panel * width, min(width, dkernel.shape[3] - panel * width)
    row = (panel * height + c) * width
    for share in range(1, shares):
        for tap in range(taps):
            total = sums[0, tap, row : row + width]
            more = sums[share, tap, row : row + width]
            for v in range(width):
                total[v] += more[v]
    g = np.empty((9, width), sums.dtype)
    for v in range(0, width, vector):
        u = row + v
        if m == 4:
            reduce4(sums, u, 6 * step, step, g, v, 3 * width, width)
        else:
            reduce2(sums, u, 4 * step, step, g, v, 3 * width, width)
    for tap in range(9):
        target = dkernel[tap // 3, tap % 3, c, begin : begin + used]
        for v in range(used):
            target[v] = g[tap, v]


transform_group = jit_inner(transform_group_loops)
gradient_row = jit_inner(gradient_row_loops)


def transform_loops(kernel: Array, U: Array, m: int, exchanged: bool) -> None:
    C, F = kernel.shape[2], kernel.shape[3]
    if exchanged:
        C, F = F, C
    width = VECTORS * lanes(U.dtype)
    panels, groups = (F + width - 1) // width, (C + GROUP - 1) // GROUP
    for i in prange(panels * groups):
        first = i % groups * GROUP
        transform_group(kernel, U, m, exchanged, i // groups, first, min(first + GROUP, C))


def gradient_loops(sums: Array, dkernel: Array, m: int, height: int) -> None:
    C, F = dkernel.shape[2], dkernel.shape[3]
    width = VECTORS * lanes(sums.dtype)
    for i in prange((F + width - 1) // width * C):
        gradient_row(sums, dkernel, m, height, i // C, i % C)


transform_kernel = jit_parallel(transform_loops)
gradient_kernel = jit_parallel(gradient_loops)


# ---- what they are used for ---------------------------------------------------


def odd_lines(count: int, dtype: np.dtype) -> int:
    """At least `count` numbers that fill an odd number of cache lines of 64 bytes.

    What lies a power of two apart falls into the same few places of the cache, and a
    transform writes 36 such numbers in a row.
    """
    line = 64 // dtype.itemsize
    return (-(-count // line) | 1) * line


def transform(kernel: Array, m: int, exchanged: bool) -> Array:
    """U of a kernel (3, 3, C, F): (taps, (panels of F, C, width)), or C and F exchanged."""
    C, F = kernel.shape[:1:-1] if exchanged else kernel.shape[2:]
    width = panel_width(kernel.dtype)
    U = empty(((m + 2) ** 2, odd_lines(-(-F // width) * C * width, kernel.dtype)), kernel.dtype)
    transform_kernel(np.ascontiguousarray(kernel), U, m, exchanged)
    return U


def gradient(sums: Array, m: int, height: int, C: int, F: int) -> Array:
    """dkernel (3, 3, C, F) = G^T dU G, dU being the sum over the first axis of `sums`.

    sums: (shares, taps, (panels of F, `height` >= C, width)).
    """
    dkernel = empty((3, 3, C, F), sums.dtype)
    gradient_kernel(sums, dkernel, m, height)
    return dkernel


# ---- kept -----------------------------------------------------------------------


class Kept(NamedTuple):
    """A kernel as it was last seen; U is None until it has been seen twice."""

    kernel: weakref.ref[Array]
    fingerprint: bytes
    U: Array | None


_kept: dict[tuple[int, int], Kept] = {}  # the longest unused first


def transformed(kernel: Array, m: int, keep: bool) -> Array:
    """`transform`, or what is left of the last call with this very array and its values.

    The result must not be written to. It goes with the kernel, when the kernel changes,
    or when more than KEPT_BYTES would be held. Unless `keep` nothing is left of it.
    """
    key = id(kernel), m
    if not keep:
        _kept.pop(key, None)
        return transform(kernel, m, exchanged=False)
    seen = fingerprint(kernel)
    # Several threads may predict at once. Each step here is one of a dict, so that what
    # can go wrong is that something is transformed twice, or not kept.
    entry = _kept.get(key)
    again = entry is not None and entry.kernel() is kernel and entry.fingerprint == seen
    if entry is not None and entry.U is not None and again:
        _kept.pop(key, None)
        _kept[key] = entry
        return entry.U
    U = transform(kernel, m, exchanged=False)
    _kept.pop(key, None)
    if again and fingerprint(kernel) != seen:  # changed meanwhile, by another thread
        again = False
    _kept[key] = Kept(weakref.ref(kernel, _forget), seen, U if again else None)
    _make_room()
    return U


def kept_bytes() -> int:
    """Bytes of transformed kernels held now."""
    return sum(entry.U.nbytes for entry in list(_kept.values()) if entry.U is not None)


def _make_room() -> None:
    excess = kept_bytes() - KEPT_BYTES
    for key in list(_kept) if excess > 0 else ():
        entry = _kept.get(key)
        if excess > 0 and entry is not None and entry.U is not None:
            _kept.pop(key, None)
            excess -= entry.U.nbytes


def _forget(kernel: weakref.ref[Array]) -> None:
    """A kernel is gone."""
    for key in list(_kept):
        entry = _kept.get(key)
        if entry is not None and entry.kernel is kernel:
            _kept.pop(key, None)
