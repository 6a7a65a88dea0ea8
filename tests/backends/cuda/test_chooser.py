"""Which algorithm the CUDA backend chooses for a convolution, and what may be asked for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.convolution_problems import Problem, problems
from tests.backends.cuda.test_convolution import case_of
from tests.comparison import assert_close
from tests.strategies import Fill
from tinyconv.backends.cuda import CudaBackend
from tinyconv.backends.cuda.convolution.case import ConvCase
from tinyconv.backends.cuda.convolution.chooser import ALGORITHMS, choose
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.explain.algorithms import OPERATIONS
from tinyconv.geometry import Window, slide

textbook = NumpyBackend()


def chosen(shape: tuple, size: int, filters: int, stride: int = 1, **changes: Any) -> str:
    N, H, W, C = shape
    window = slide((H, W), (size, size), (stride, stride), "same")
    case = ConvCase(N, window, C, filters, 1, np.dtype("float32"), "forward")
    return choose(case._replace(**changes)).name


def test_what_suits():
    assert chosen((32, 28, 28, 1), 3, 32) == "implicit_gemm"
    assert chosen((8, 56, 56, 64), 1, 256) == "pointwise"
    assert chosen((8, 56, 56, 256), 1, 512, 2) == "pointwise"
    assert chosen((32, 56, 56, 128), 3, 128) == "winograd_4x4"
    assert chosen((32, 56, 56, 128), 3, 128, operation="dx") == "winograd_4x4"
    assert chosen((512, 2, 2, 512), 3, 512) == "winograd_2x2"
    assert chosen((32, 56, 56, 128), 3, 128, dtype=np.dtype("float64")) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 3, 128, 2) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 5, 128) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 3, 128, groups=2) == "implicit_gemm"
    assert chosen((1, 14, 14, 128), 3, 128) == "implicit_gemm"
    assert chosen((32, 56, 56, 32), 3, 32) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 3, 128, tf32=True) == "im2col"
    assert chosen((32, 56, 56, 3), 3, 64, tf32=True) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 3, 128, tf32=True, dtype=np.dtype("f8")) == "implicit_gemm"


@pytest.mark.parametrize("name", ["winograd_2x2", "winograd_4x4"])
def test_no_winograd_in_tf32(name: str):
    """Its stacks of products would be TF32 where a step is recorded, and not elsewhere."""
    window = slide((56, 56), (3, 3), (1, 1), "same")
    case = ConvCase(32, window, 128, 128, 1, np.dtype("float32"), tf32=True)
    choice = choose(case, name)
    assert choice.name == "im2col"
    assert choice.reason.startswith(f"{name} cannot: TF32")
    assert choose(case._replace(dtype=np.dtype("float64")), name).name == name


@settings(max_examples=100)
@given(problem=problems(), asked=st.sampled_from([None, *ALGORITHMS]), tf32=st.booleans())
def test_what_is_chosen_can_do_it_and_says_why(problem: Problem, asked: str | None, tf32: bool):
    for operation in OPERATIONS:
        case = case_of(problem, "float32", operation, tf32=tf32)
        choice = choose(case, asked)
        assert choice.algorithm is ALGORITHMS[choice.name]
        assert choice.algorithm.reason_against(case) is None
        assert choice.reason
        if asked is not None and ALGORITHMS[asked].reason_against(case) is None:
            assert choice[::2] == (asked, "asked for")
        elif asked is not None:
            assert choice.reason.startswith(f"{asked} cannot: ")


@pytest.fixture(params=ALGORITHMS)
def asking(request: pytest.FixtureRequest, host: CudaBackend) -> CudaBackend:
    """A backend whose convolutions are all done by one algorithm."""
    return CudaBackend(host.device, conv=request.param)


def test_asked_for(asking: CudaBackend, monkeypatch: pytest.MonkeyPatch):
    size = 1 if asking._conv == "pointwise" else 3
    window: Window = slide((12, 12), (size, size), (1, 1), "same")
    fill = Fill(0)
    x, kernel = fill((2, 12, 12, 3), "float64"), fill((size, size, 3, 8), "float64")
    calls = []
    monkeypatch.setattr(
        "tinyconv.backends.cuda.convolution.choose",
        lambda case, asked: calls.append(choose(case, asked)) or calls[-1],
    )
    z = asking.conv2d(x, kernel, window, 1)
    assert [each.name for each in calls] == [asking._conv]
    assert_close(z, textbook.conv2d(x, kernel, window, 1), "float64", scale=100)


def test_what_cannot_be_asked_for(host: CudaBackend):
    with pytest.raises(ValueError, match=r"conv must be one of \['im2col', .*Received: conv='fft'"):
        CudaBackend(host.device, conv="fft")
