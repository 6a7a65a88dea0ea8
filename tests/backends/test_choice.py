"""Which algorithm computes a convolution: what suits it, or the one that is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinyconv
from tests.backends.convolution_problems import Problem, problems
from tests.comparison import assert_close
from tests.strategies import Fill
from tinyconv.backends import load, use_backend
from tinyconv.backends.numba.convolution.case import ConvCase
from tinyconv.backends.numba.convolution.chooser import ALGORITHMS, choose
from tinyconv.explain.algorithms import OPERATIONS
from tinyconv.geometry import slide

textbook = load("numpy")


def chosen(shape: tuple, size: int, filters: int, stride: int = 1, **changes) -> str:
    N, H, W, C = shape
    window = slide((H, W), (size, size), (stride, stride), "same")
    case = ConvCase(N, window, C, filters, 1, np.dtype("float32"), "forward")
    return choose(case._replace(**changes)).name


def test_what_suits():
    assert chosen((32, 28, 28, 1), 3, 32) == "direct"
    assert chosen((8, 224, 224, 3), 7, 64, 2) == "direct"
    assert chosen((8, 56, 56, 64), 1, 256) == "pointwise"
    assert chosen((8, 56, 56, 256), 1, 512, 2) == "pointwise"
    assert chosen((32, 14, 14, 32), 3, 64) == "winograd_4x4"
    assert chosen((32, 14, 14, 32), 3, 64, dtype=np.dtype("float64")) == "implicit_gemm"
    assert chosen((32, 14, 14, 32), 3, 64, 2) == "implicit_gemm"
    assert chosen((32, 14, 14, 32), 5, 64) == "implicit_gemm"
    assert chosen((32, 14, 14, 32), 3, 64, groups=2) == "implicit_gemm"
    assert chosen((1, 4, 4, 64), 3, 64) == "implicit_gemm"


@settings(max_examples=100)
@given(problem=problems(), asked=st.sampled_from([None, *ALGORITHMS]))
def test_what_is_chosen_can_do_it_and_says_why(problem: Problem, asked: str | None):
    for operation in OPERATIONS:
        case = problem.case("float32", operation)
        choice = choose(case, asked)
        assert choice.algorithm is ALGORITHMS[choice.name]
        assert choice.algorithm.reason_against(case) is None
        assert choice.reason
        if asked is not None and ALGORITHMS[asked].reason_against(case) is None:
            assert choice[::2] == (asked, "asked for")
        elif asked is not None:
            assert choice.reason.startswith(f"{asked} cannot: ")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_asked_for(name: str, monkeypatch: pytest.MonkeyPatch):
    """use_backend(conv=) holds for what the algorithm can do, here all."""
    size = 1 if name == "pointwise" else 3
    window, fill = slide((12, 12), (size, size), (1, 1), "same"), Fill(0)
    x, kernel = fill((2, 12, 12, 3), "float64"), fill((size, size, 3, 8), "float64")
    calls = []
    monkeypatch.setattr(
        tinyconv.backends.numba.convolution, "choose",
        lambda case, asked: calls.append(choose(case, asked)) or calls[-1],
    )  # fmt: skip
    with use_backend("numba", conv=name) as backend:
        assert backend.name == "numba"
        z = backend.conv2d(x, kernel, window, 1)
    assert [each.name for each in calls] == [name]
    assert_close(z, textbook.conv2d(x, kernel, window, 1), "float64", scale=100)


def test_what_cannot_be_asked_for():
    with pytest.raises(ValueError, match=r"conv must be one of \['im2col', .*Received: conv='fft'"):
        use_backend("numba", conv="fft")
    with pytest.raises(ValueError, match=r"only the backends .* have several"):
        use_backend("numpy", conv="im2col")
    assert load("numba", "im2col") is load("numba", "im2col") is not load("numba")
