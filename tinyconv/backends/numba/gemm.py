"""Matrix products from the micro-kernel, cut so that each level of memory does its part.

    C = A @ B                                                       kept where
    for every 1024 columns of B and C:
        for every 512 k:
            copy this part of B as panels, 32 columns each           512 x 1024: L3, L2
            for every 128 rows of A:
                copy this part of A                                  128 x 512: L2
                for each panel:                                      512 x 32: L2, L1
                    for each tile of 8 rows:
                        tile = A rows @ panel                        8 x 32: registers
                        C (+)= tile

(with the widths of AVX-512). A and B are copied because numbers that are used together
should lie together: rows 16 KiB apart share one place in the cache and each needs a page of
its own. The copies are filled up with zeros to whole tiles, so the micro-kernel knows no
edges. A and B are given by their strides: a transposed matrix is only copied differently.

Threads share out the rows or the columns of C and make their own copies. A sum is always
made by one thread in the same order. Only the height of the tiles depends on their number,
and so which rows lie in a tile that is not whole: there the bias is added last, not first.

Source: Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba import microkernel
from tinyconv.backends.numba._jit import jit, jit_inner, jit_parallel
from tinyconv.backends.numba.gemm_copies import PAD, begin, copy_a, copy_b, put
from tinyconv.backends.numba.threads import thread_count
from tinyconv.backends.numba.vector_product import vector_matmul
from tinyconv.backends.numba.workspace import empty

K_BLOCK, M_BLOCK, N_BLOCK = 512, 128, 1024
KINDS = {np.dtype("float32"), np.dtype("float64")}
TINY = 1 << 18  # multiplications (6 us) that BLAS starts no thread for, and its way is shorter
FEW = 4  # tiles that read the same numbers
TINY_VECTOR = (9 << 10) - 1  # the same where a factor is a vector: OpenBLAS' gemv is less shy
SERIAL = 1 << 20  # multiplications (20 us) that are not worth waking a thread for

# Heights of a tile: as many rows as there are registers for, or fewer, since small batches
# are multiples of 8 or 4 more often than of 14.
TALL, MIDDLE, LOW = microkernel.ROWS, min(microkernel.ROWS, 8), 4
_tall, _middle, _low = (
    microkernel.make_affine(height, microkernel.VECTORS) for height in (TALL, MIDDLE, LOW)
)


# ---- kernels; matrices are flat memory with the strides of their rows and columns ------


def tile_loops(
    height: int, A: Array, a0: int, a_row: int, a_col: int, B: Array, b0: int, b_row: int,
    S: Array, s0: int, s_row: int, floor: float, C: Array, c0: int, c_row: int, K: int,
) -> None:  # fmt: skip
    """A tile of C = max(floor, S + so many rows of A @ a panel of B)."""
    if height == TALL:
        _tall(A, a0, a_row, a_col, B, b0, b_row, S, s0, s_row, floor, C, c0, c_row, K)
    elif height == MIDDLE:
        _middle(A, a0, a_row, a_col, B, b0, b_row, S, s0, s_row, floor, C, c0, c_row, K)
    else:
        _low(A, a0, a_row, a_col, B, b0, b_row, S, s0, s_row, floor, C, c0, c_row, K)


tile_kernel = jit_inner(tile_loops)


def block_loops(
    A: Array, a_row: int, a_col: int, B: Array, b_row: int, b_col: int,
    C: Array, c_row: int, c_col: int, K: int, m_first: int, m_last: int, n_first: int, n_last: int,
    height: int, width: int, bias: Array, bias_row: int, bias_col: int, relu: bool,
    plus: Array, copies_a: bool, copies_b: bool, a_copy: Array, b_copy: Array, tile: Array,
) -> None:  # fmt: skip
    """C[m_first:m_last, n_first:n_last] = relu(A @ B + bias + plus), by one thread; see above.

    `plus` lies in memory as C does, or is empty.
    """
    k_blocks = (K + K_BLOCK - 1) // K_BLOCK
    m_step, n_step = M_BLOCK // height * height, N_BLOCK // width * width
    zero, lowest = C.dtype.type(0), C.dtype.type(-np.inf)
    none = tile[height * width :]  # a row of zeros
    none[:] = zero
    for n in range(n_first, n_last, n_step):
        n_end = min(n_last, n + n_step)
        for block in range(k_blocks):
            k, k_end = block * K // k_blocks, (block + 1) * K // k_blocks
            k_count, first, last = k_end - k, block == 0, block == k_blocks - 1
            if copies_b:
                copy_b(B, k * b_row + n * b_col, b_row, b_col, k_count, n_end - n, width, b_copy)
            for m in range(m_first, m_last, m_step):
                m_end = min(m_last, m + m_step)
                fresh = first and plus.size == 0
                if first and not fresh:  # all at once: rows are longer than those of a tile
                    begin(
                        plus, m_end - m, n_end - n, C, m * c_row + n * c_col, c_row, c_col,
                        bias, m * bias_row + n * bias_col, bias_col,
                    )  # fmt: skip
                # Where A is not copied, its last rows are, if they do not fill a tile.
                m_copy = m if copies_a else m_end - (m_end - m) % height
                copy_row, copy_col = (k_count + PAD, 1) if a_col == 1 else (1, m_step + PAD)
                copy_a(
                    A, m_copy * a_row + k * a_col, a_row, a_col, m_end - m_copy, k_count,
                    a_copy, copy_row, copy_col, height,
                )  # fmt: skip
                for j in range(n, n_end, width):
                    columns, panel = min(width, n_end - j), (j - n) // width
                    right, b0, b_step = b_copy, panel * (k_count * width + PAD), width
                    if not copies_b:
                        right, b0, b_step = B, k * b_row + j, b_row
                    for i in range(m, m_end, height):
                        rows = min(height, m_end - i)
                        left, a0 = a_copy, (i - m_copy) * copy_row
                        i_step, k_step = copy_row, copy_col
                        if i < m_copy:
                            left, a0, i_step, k_step = A, i * a_row + k * a_col, a_row, a_col
                        target, c0, c_step = tile, 0, width
                        start, s0, s_step, floor = none, 0, 0, lowest
                        whole = c_col == 1 and rows == height and columns == width
                        if whole:
                            target, c0, c_step = C, i * c_row + j, c_row
                            start, s0 = bias, j
                            if not fresh:
                                start, s0, s_step = C, c0, c_row
                            if relu and last:
                                floor = zero
                        tile_kernel(
                            height, left, a0, i_step, k_step, right, b0, b_step,
                            start, s0, s_step, floor, target, c0, c_step, k_count,
                        )  # fmt: skip
                        if not whole:
                            put(
                                tile, rows, columns, width, C, i * c_row + j * c_col, c_row, c_col,
                                bias, i * bias_row + j * bias_col, bias_col, fresh, relu and last,
                            )  # fmt: skip


block_kernel = jit(block_loops)
block_of_thread = jit_inner(block_loops)


def gemm_loops(
    A: Array, a_row: int, a_col: int, B: Array, b_row: int, b_col: int,
    C: Array, c_row: int, c_col: int, M: int, N: int, K: int, down: int, across: int,
    height: int, width: int, bias: Array, bias_row: int, bias_col: int, relu: bool, plus: Array,
    copies_a: bool, copies_b: bool, scratch: Array, a_size: int, b_size: int,
) -> None:  # fmt: skip
    """C cut into down x across parts, one a thread."""
    tiles, panels = (M + height - 1) // height, (N + width - 1) // width
    for thread in prange(down * across):
        p, q = thread // across, thread % across
        own = scratch[thread]
        block_of_thread(
            A, a_row, a_col, B, b_row, b_col, C, c_row, c_col, K,
            p * tiles // down * height, min(M, (p + 1) * tiles // down * height),
            q * panels // across * width, min(N, (q + 1) * panels // across * width),
            height, width, bias, bias_row, bias_col, relu, plus, copies_a, copies_b,
            own[:a_size], own[a_size : a_size + b_size], own[a_size + b_size :],
        )  # fmt: skip


gemm_kernel = jit_parallel(gemm_loops)


# ---- the way to them -----------------------------------------------------------------


def matmul(
    a: Array, b: Array, bias: Array | None = None, relu: bool = False, out: Array | None = None,
    plus: Array | None = None,
) -> Array:  # fmt: skip
    """relu(a @ b + bias + plus), a (M, K), b (K, N), bias (N,), of one dtype -> (M, N), as plus.

    With `out`, contiguous, the result is written there. Tiny products go to BLAS, for which the
    way is shorter and which starts no threads of its own for them; all others to the kernels here.
    """
    (M, K), N = a.shape, b.shape[1]
    if b.shape[0] != K:
        raise ValueError(f"matmul: expected b with {K} rows, as a has columns. Received: {len(b)}")
    tiny = TINY_VECTOR if 1 in (M, N) else TINY
    if tiny >= M * N * K or K == 0 or a.dtype not in KINDS or a.dtype != b.dtype:
        with np.errstate(all="ignore"):  # kernels are silent about NaN and infinity, too
            c = np.matmul(a, b, out=out)
        for each in (bias, plus):
            if each is not None:
                c += each
        return np.maximum(c, 0, out=c) if relu else c
    bias = np.zeros(N, a.dtype) if bias is None else np.ascontiguousarray(bias)
    c = empty((M, N), a.dtype) if out is None else out
    if M == 1:
        c[0] = vector_matmul(a[0], b, bias if plus is None else bias + plus[0], relu)
        return c
    if N == 1:
        start = bias.repeat(M) if plus is None else bias + plus[:, 0]
        c[:, 0] = vector_matmul(b[:, 0], a.T, start, relu)
        return c
    (A, a_row, a_col), (B, b_row, b_col) = _strided(a), _strided(b)
    C, c_row, c_col, bias_row, bias_col = c.reshape(-1), N, 1, 0, 1
    if b_col != 1 and M * N + M * K * (a_col == 1) < N * K:
        # A panel of a transposed B is copied number by number. C^T = B^T @ A^T needs that for
        # C, and perhaps A, instead; here those are smaller.
        A, a_row, a_col, B, b_row, b_col = B, b_col, b_row, A, a_col, a_row
        M, N, c_row, c_col, bias_row, bias_col = N, M, 1, N, 1, 0
    width = microkernel.VECTORS * microkernel.lanes(a.dtype)
    height, down, across = _shares(M, N, K, width, thread_count())
    # A copy costs as much as two tiles' reading; a matrix that few tiles read is left alone.
    copies_a = FEW * width < N or a_col != 1
    copies_b = FEW * height < M or b_col != 1 or N % width != 0
    k_count = min(K, K_BLOCK)
    rows = min(-(-M // height) * height, M_BLOCK // height * height)
    a_size = rows * (k_count + PAD) if a_col == 1 else k_count * (M_BLOCK + PAD)
    b_size = min(-(-N // width), N_BLOCK // width) * (k_count * width + PAD)
    scratch = empty((down * across, a_size + b_size + (height + 1) * width), a.dtype)
    matrices = A, a_row, a_col, B, b_row, b_col, C, c_row, c_col
    plus = c[:0, 0] if plus is None else np.ascontiguousarray(plus).reshape(-1)
    epilogue = height, width, bias, bias_row, bias_col, relu, plus, copies_a, copies_b
    if down * across > 1:
        gemm_kernel(*matrices, M, N, K, down, across, *epilogue, scratch, a_size, b_size)
    else:
        own = scratch[0]
        copies = own[:a_size], own[a_size : a_size + b_size], own[a_size + b_size :]
        block_kernel(*matrices, K, 0, M, 0, N, *epilogue, *copies)
    return c


def _strided(a: Array) -> tuple[Array, int, int]:
    """A matrix as flat memory and the strides of its rows and columns, of which one is 1."""
    if a.flags.f_contiguous and not a.flags.c_contiguous:
        return a.T.reshape(-1), 1, a.shape[0]
    return np.ascontiguousarray(a).reshape(-1), a.shape[1], 1


@lru_cache(1024)
def _shares(M: int, N: int, K: int, width: int, threads: int) -> tuple[int, int, int]:
    """(height of the tiles, parts down, parts across) with the least work for a thread."""
    threads = 1 if M * N * K < SERIAL else threads
    choices = []
    for height in (TALL, MIDDLE, LOW):
        tiles, panels = -(-M // height), -(-N // width)
        for down in (d for d in range(1, threads + 1) if threads % d == 0):
            across = threads // down
            rows, columns = -(-tiles // down) * height, -(-panels // across) * width
            tile_ends = 1 + 1 / height  # a tile costs about a row more than it has
            work = rows * columns * K * tile_ends + 4 * K * (rows + columns)  # and the copies
            choices.append((work, height, down, across))
    return min(choices)[1:]
