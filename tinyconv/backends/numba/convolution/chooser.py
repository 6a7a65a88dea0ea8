"""Which algorithm convolves: a shape in, an algorithm and the reason out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from tinyconv.backends.numba.convolution import im2col, implicit_gemm
from tinyconv.backends.numba.convolution.case import ConvCase

ALGORITHMS: dict[str, Any] = {"im2col": im2col, "implicit_gemm": implicit_gemm}


class Choice(NamedTuple):
    """An algorithm by name, the module, and why it was chosen."""

    name: str
    algorithm: Any
    reason: str


@lru_cache(4096)
def choose(case: ConvCase, asked: str | None = None) -> Choice:
    """The algorithm for a case; `asked` is taken wherever it can do the case."""
    if asked is not None and ALGORITHMS[asked].reason_against(case) is None:
        return Choice(asked, ALGORITHMS[asked], "asked for")
    return Choice("im2col", im2col, "the default")
