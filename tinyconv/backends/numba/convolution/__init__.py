"""Convolution on the CPU: several algorithms behind one contract (case.py)."""

from __future__ import annotations

from tinyconv.backends.numba.convolution.im2col import Convolution

__all__ = ["Convolution"]
