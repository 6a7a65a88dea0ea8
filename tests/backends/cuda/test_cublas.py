"""What cuBLAS is asked for, answered by a library that multiplies in columns as it does.

Whether the real one agrees, and lets itself be captured, only a GPU can show.
"""

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyconv.backends.cuda import cublas
from tinyconv.backends.cuda.cublas import WORKSPACE, Cublas

REAL = {"S": (np.float32, ctypes.c_float), "D": (np.float64, ctypes.c_double)}


class Library:
    """The functions of cuBLAS on memory of the host; each notes its name."""

    def __init__(self, status=0):
        self.called, self.status = [], status

    def __getattr__(self, name):
        def function(*arguments):
            self.called.append((name, arguments))
            if "gemm" in name:
                self._gemm(name[6], "Strided" in name, arguments)
            return self.status

        return function

    def _gemm(self, letter, strided, arguments):
        dtype, _ = REAL[letter]
        _, op_a, op_b, m, n, k, alpha, *rest = arguments
        count = rest.pop() if strided else 1
        size = 3 if strided else 2
        a, b, (beta,), c = (
            rest[:size],
            rest[size : 2 * size],
            rest[2 * size : 2 * size + 1],
            rest[-size:],
        )
        assert alpha._obj.value == 1
        assert beta._obj.value == 0
        for number in range(count):
            left = self._matrix(a, number, (k, m) if op_a else (m, k), dtype)
            right = self._matrix(b, number, (n, k) if op_b else (k, n), dtype)
            out = self._matrix(c, number, (m, n), dtype)
            out[...] = (left.T if op_a else left) @ (right.T if op_b else right)

    def _matrix(self, operand, number, shape, dtype):
        """The columns of `shape` that begin at an address, `leading` elements apart."""
        pointer, leading, *step = operand
        rows, columns = shape
        item = np.dtype(dtype).itemsize
        assert leading.value >= max(rows, 1), "cuBLAS calls this CUBLAS_STATUS_INVALID_VALUE"
        start = pointer.value + (step[0].value * number * item if step else 0)
        length = (columns - 1) * leading.value + rows
        flat = np.ctypeslib.as_array((REAL_OF[item] * length).from_address(start))
        return np.lib.stride_tricks.as_strided(flat, shape, (item, leading.value * item))


REAL_OF = {4: ctypes.c_float, 8: ctypes.c_double}


def blas(library=None, **options):
    return Cublas(library or Library(), lambda x: x.ctypes.data, 11, 22, **options)


@st.composite
def matrices(draw, rows, columns, lead, dtype):
    """Contiguous, transposed, a part of a larger one, or every other column."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    kind = draw(st.sampled_from(["rows", "columns", "part", "sparse"]))
    if kind == "rows":
        return rng.normal(size=(*lead, rows, columns)).astype(dtype)
    if kind == "columns":
        return rng.normal(size=(*lead, columns, rows)).astype(dtype).swapaxes(-1, -2)
    if kind == "part":
        return rng.normal(size=(*lead, rows + 2, columns + 3)).astype(dtype)[..., 1:-1, 2:-1]
    return rng.normal(size=(*lead, rows, 2 * columns)).astype(dtype)[..., ::2]


@given(st.data())
def test_products(data):
    M, K, N = (data.draw(st.integers(1, 5)) for _ in range(3))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    lead = data.draw(st.sampled_from([(), (3,), (2, 2)]))
    which = data.draw(st.sampled_from(["both", "left", "right"])) if lead else "both"
    a = data.draw(matrices(M, K, lead if which != "right" else (), dtype))
    b = data.draw(matrices(K, N, lead if which != "left" else (), dtype))
    expected = np.matmul(a, b)
    np.testing.assert_allclose(blas().matmul(np, a, b), expected, rtol=1e-4, atol=1e-5)
    for out in (np.empty_like(expected), np.empty((*expected.shape, 2), dtype)[..., 0]):
        assert blas().matmul(np, a, b, out) is out
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_nothing_is_multiplied_where_nothing_is():
    library = Library()
    y = blas(library).matmul(np, np.empty((0, 3)), np.empty((3, 2)))
    assert y.shape == (0, 2)
    assert not any("gemm" in name for name, _ in library.called)


def test_the_stream_comes_before_the_workspace():
    library = Library()
    blas(library, tf32=True)
    names = [name for name, _ in library.called]
    assert names.index("cublasSetStream_v2") < names.index("cublasSetWorkspace_v2")
    settings = dict(library.called)
    assert settings["cublasSetStream_v2"][1].value == 11
    assert settings["cublasSetWorkspace_v2"][1].value == 22
    assert settings["cublasSetWorkspace_v2"][2].value == WORKSPACE
    assert settings["cublasSetMathMode"][1] == 3
    library = Library()
    blas(library)
    assert dict(library.called)["cublasSetMathMode"][1] == 0


def test_stacks_are_exact_also_with_tf32():
    library = Library()
    made = blas(library, tf32=True)
    stack, matrix = np.ones((2, 3, 4)), np.ones((4, 5))
    for a in (stack, stack[0]):
        library.called.clear()
        made.matmul(np, a, matrix)
        seen = [rest[1] if "Math" in name else "product" for name, rest in library.called]
        assert seen == ([0, "product", 3] if a is stack else ["product"])


def test_errors_are_told():
    with pytest.raises(RuntimeError, match="cublasCreate_v2 failed with status 3"):
        blas(Library(status=3))


def test_the_check_sees_a_wrong_product():
    cublas.check(blas(), np, np.asarray)

    class Wrong(Library):
        def _gemm(self, letter, strided, arguments):
            super()._gemm(letter, strided, (*arguments[:1], 1 - arguments[1], *arguments[2:]))

    with pytest.raises((RuntimeError, AssertionError, ValueError)):
        cublas.check(blas(Wrong()), np, np.asarray)
