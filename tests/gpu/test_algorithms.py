"""What the suite over backends can't ask for: every algorithm of convolution on all that it can
do, and the kernels in Numba CUDA."""

from types import SimpleNamespace

import pytest

from tests.backends.cases import CASES
from tests.backends.test_rules import assert_all_close, run
from tinyconv.backends import load
from tinyconv.backends.cuda import numba_cuda
from tinyconv.backends.cuda.convolution.chooser import ALGORITHMS

# Of the largest value: Winograd's transforms add and subtract what is larger than the result.
TOLERANCE = {"float32": 1e-4, "float64": 1e-11}


def cases(*operations):
    found = [case for case in CASES if case.operation.startswith(operations)]
    return pytest.mark.parametrize("case", found, ids=[case.name for case in found])


DTYPES = pytest.mark.parametrize("dtype", TOLERANCE)


def check(backend, case, dtype):
    expected = run(load("numpy"), case, dtype)
    assert_all_close(run(backend, case, dtype), expected, dtype, TOLERANCE[dtype])


@DTYPES
@cases("conv")
@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_algorithm_agrees_with_the_textbook(name, case, dtype):
    check(load("cupy", conv=name), case, dtype)


@DTYPES
@cases("im2col", "col2im", "max_pool")
def test_numba_cuda_agrees_with_the_textbook(gpu, case, dtype):
    own = {case.operation: getattr(numba_cuda, case.operation)}
    check(SimpleNamespace(asarray=gpu.asarray, to_numpy=gpu.to_numpy, **own), case, dtype)
