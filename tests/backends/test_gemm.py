"""Matrix products of every shape and layout: edges of tiles, panels, blocks and threads."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.comparison import assert_close
from tests.strategies import LAYOUTS, Fill
from tinyconv.backends.numba import gemm
from tinyconv.backends.numba.vector_product import vector_matmul

# Around the height and the width of a tile, and around those of blocks.
SIZES = st.one_of(st.integers(1, 70), st.sampled_from([127, 128, 129, 511, 513, 1024, 1030]))
LAYOUT = st.sampled_from(LAYOUTS)


@pytest.fixture(autouse=True)
def _kernels_for_small_products_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gemm, "TINY", 0)
    monkeypatch.setattr(gemm, "TINY_VECTOR", 0)


def expected(a, b, bias, relu: bool) -> np.ndarray:
    """In double precision, by einsum: no BLAS."""
    c = np.einsum("mk,kn->mn", a.astype("float64"), b.astype("float64"))
    c = c if bias is None else c + bias
    return np.maximum(c, 0) if relu else c


@given(
    shape=st.tuples(SIZES, SIZES, SIZES).filter(lambda s: s[0] * s[1] * s[2] < 5e6),
    layouts=st.tuples(LAYOUT, LAYOUT),
    seed=st.integers(0, 2**16),
    with_bias=st.booleans(),
    relu=st.booleans(),
)
def test_products(dtype: str, shape, layouts, seed: int, with_bias: bool, relu: bool):
    M, K, N = shape
    a = Fill(seed, layout=layouts[0])((M, K), dtype)
    b = Fill(seed + 1, layout=layouts[1])((K, N), dtype)
    bias = Fill(seed + 2)((N,), dtype) if with_bias else None
    result = gemm.matmul(a, b, bias, relu)
    assert_close(result, expected(a, b, bias, relu), dtype, scale=5 * np.sqrt(K))


@pytest.mark.parametrize("shape", [(1, 40, 70), (40, 70, 1), (70, 40, 33), (33, 600, 130)])
@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_reach_their_rows_and_columns_only(
    dtype: str, shape, layout: str, value: float
):
    M, K, N = shape
    fill = Fill(0, layout=layout)
    a, b = np.abs(fill((M, K), dtype)) + 1, np.abs(fill((K, N), dtype)) + 1
    a[M // 2, K - 1] = value
    b[0, N // 2] = value
    bad = np.zeros((M, N), bool)
    bad[M // 2], bad[:, N // 2] = True, True
    for bias in (None, np.ones(N, dtype)):
        result = gemm.matmul(a, b, bias, relu=True)
        np.testing.assert_array_equal(~np.isfinite(result), bad)
        np.testing.assert_array_equal(np.isnan(result), bad if np.isnan(value) else False)


@pytest.mark.parametrize(
    "shape", [(32, 3136, 128), (3136, 32, 128), (300, 70, 20), (1, 900, 300), (900, 300, 1)]
)
@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
def test_the_number_of_threads_changes_no_bit(dtype: str, shape, layout: str):
    M, K, N = shape
    a, b = Fill(0)((M, K), dtype), Fill(1, layout=layout)((K, N), dtype)
    before, results = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            results += [gemm.matmul(a, b).tobytes() for _ in range(2)]
    finally:
        numba.set_num_threads(before)
    assert len(set(results)) == 1


@given(M=st.integers(1, 5000), N=st.integers(1, 5000), threads=st.sampled_from([1, 2, 3, 6, 8, 12]))
def test_shares_use_the_threads_that_have_something_to_do(M: int, N: int, threads: int):
    height, down, across = gemm._shares(M, N, 4096, 32, threads)
    assert height in (gemm.TALL, gemm.MIDDLE, gemm.LOW)
    enough = M * N * 4096 >= gemm.SERIAL
    assert down * across == (threads if enough else 1)


def test_nothing_to_sum(dtype: str):
    bias = np.array([1, -1], dtype)
    c = gemm.matmul(np.ones((3, 0), dtype), np.ones((0, 2), dtype), bias, relu=True)
    np.testing.assert_array_equal(c, [[1, 0]] * 3)


def test_tiny_products_are_the_same(dtype: str, monkeypatch: pytest.MonkeyPatch):
    a, b, bias = (Fill(i)(shape, dtype) for i, shape in enumerate([(5, 7), (7, 6), (6,)]))
    for relu in (False, True):
        ours = gemm.matmul(a, b, bias, relu)
        monkeypatch.setattr(gemm, "TINY", 1 << 18)
        assert_close(gemm.matmul(a, b, bias, relu), ours, dtype)
        monkeypatch.setattr(gemm, "TINY", 0)


def test_a_vector_and_a_matrix(dtype: str):
    x, B, bias = (Fill(i)(s, dtype) for i, s in enumerate([(37,), (37, 50), (50,)]))
    for matrix in (B, np.asfortranarray(B), Fill(1, layout="stepped")((37, 50), dtype)):
        assert_close(vector_matmul(x, matrix, bias, False), x @ B + bias, dtype, scale=20)
        none = np.empty(0, dtype)
        assert_close(vector_matmul(x, matrix, none, True), np.maximum(x @ B, 0), dtype, scale=20)


def test_shapes_and_dtypes_that_kernels_do_not_know():
    a = np.ones((100, 200), "float32")
    with pytest.raises(ValueError, match="expected b with 200 rows"):
        gemm.matmul(a, np.ones((100, 100), "float32"))
    whole = np.arange(100 * 100).reshape(100, 100)
    np.testing.assert_array_equal(gemm.matmul(whole, whole), whole @ whole)
