"""Getting arrays in and out of a backend, batches of rows, and the matrix product."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.calling import call
from tests.comparison import assert_close
from tests.strategies import LAYOUTS, Fill, fills, lay_out
from tinyconv.backends.base import Backend


@pytest.mark.parametrize(
    ("values", "asked", "expected"),
    [
        ([[1, 2], [3, 4]], "float32", "float32"),
        (np.arange(6, dtype="uint8").reshape(2, 3), "float64", "float64"),
        (np.arange(6, dtype="float64"), "float32", "float32"),
        (np.arange(6, dtype="float32"), None, "float32"),
        (np.arange(6, dtype="int32"), None, "int32"),
        (2.5, "float64", "float64"),
    ],
)
def test_asarray_and_back(backend: Backend, values, asked, expected: str):
    array = backend.to_numpy(backend.asarray(values, asked))
    assert isinstance(array, np.ndarray)
    assert array.dtype == expected
    np.testing.assert_array_equal(array, values)


def test_asarray_copies_only_if_it_must(backend: Backend, dtype: str):
    x = backend.asarray(Fill(0)((3, 4), dtype))
    assert backend.asarray(x) is x
    assert backend.asarray(x, dtype) is x
    other = backend.asarray(x, "float64" if dtype == "float32" else "float32")
    assert not backend.xp.shares_memory(other, x)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (9, 30, 31, 3), (0, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("padding", [((1, 2), (3, 0)), ((0, 0), (0, 5)), ((0, 0), (0, 0))], ids=str)
def test_zero_pad(backend: Backend, dtype: str, shape, padding):
    x = Fill(2)(shape, dtype)
    y = call(backend, "zero_pad", x, padding)
    (top, bottom), (left, right) = padding
    N, H, W, C = shape
    assert y.shape == (N, top + H + bottom, left + W + right, C)
    np.testing.assert_array_equal(y[:, top : top + H, left : left + W], x)
    inside = np.zeros(y.shape, bool)
    inside[:, top : top + H, left : left + W] = True
    assert not y[~inside].any()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("indices", ["int32", "int64"])
@pytest.mark.parametrize("stored", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 4, 5, 3)])
def test_gather(backend: Backend, dtype: str, shape, stored: str, indices: str, layout: str):
    x = lay_out(random_rows(shape, stored), layout)
    rows = np.array([6, 0, 0, 3], indices)
    batch = call(backend, "gather", x, rows, dtype)
    assert batch.dtype == dtype
    assert batch.shape == (4, *shape[1:])
    for position, row in enumerate(rows):
        np.testing.assert_array_equal(batch[position], x[row].astype(dtype))


@pytest.mark.parametrize("stored", ["uint8", "float32", "float64", ">f4", "int16"])
def test_gather_of_a_large_batch(backend: Backend, dtype: str, stored: str):
    """More than one thread's work, and of a kind that a backend may not have thought of."""
    x = random_rows((60, 13, 17, 3), "uint8").astype(stored)
    rows = Fill(0).generator.integers(0, 60, 41)
    batch = call(backend, "gather", x, rows, dtype)
    assert batch.dtype == dtype
    np.testing.assert_array_equal(batch, x[rows].astype(dtype))


def test_gather_of_the_whole_set_is_a_copy(backend: Backend, dtype: str):
    x = Fill(0)((5, 3), dtype)
    batch = backend.gather(backend.asarray(x), backend.asarray(np.arange(5)), dtype)
    before = x.copy()
    batch[...] = 0
    np.testing.assert_array_equal(x, before)


def test_gather_of_one_row_and_of_labels(backend: Backend):
    labels = np.array([9, 8, 7], "uint8")
    batch = call(backend, "gather", labels, np.array([1]), "int64")
    assert batch.dtype == "int64"
    assert batch.tolist() == [8]


def random_rows(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, shape).astype(dtype)


@given(sizes=st.tuples(*[st.integers(1, 8)] * 3), left=fills(), right=fills())
def test_matmul(backend: Backend, dtype: str, sizes, left: Fill, right: Fill):
    M, K, N = sizes
    a, b = left((M, K), dtype), right((K, N), dtype)
    expected = np.zeros((M, N))
    for m, n, k in np.ndindex(M, N, K):
        expected[m, n] += float(a[m, k]) * float(b[k, n])
    assert_close(call(backend, "matmul", a, b), expected, dtype, scale=5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_element_spoils_its_row_or_column(backend: Backend, dtype: str, value: float):
    fill = Fill(0)
    a, b = fill((5, 4), dtype), fill((4, 6), dtype)
    spoiled = a.copy(), b.copy()
    spoiled[0][3, 1], spoiled[1][1, 2] = value, value
    with np.errstate(invalid="ignore"):  # BLAS computes on lanes that it throws away
        rows = ~np.isfinite(call(backend, "matmul", spoiled[0], b))
        columns = ~np.isfinite(call(backend, "matmul", a, spoiled[1]))
    np.testing.assert_array_equal(rows, np.broadcast_to([[i == 3] for i in range(5)], (5, 6)))
    np.testing.assert_array_equal(columns, np.broadcast_to([j == 2 for j in range(6)], (5, 6)))
