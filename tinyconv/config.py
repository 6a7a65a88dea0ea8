"""Settings that hold for the whole process."""

from __future__ import annotations

from typing import Any

import numpy as np

_FLOATS = ("float32", "float64")
_floatx = "float32"
_input_scale_warnings = True
_batch_norm_folding = True
_planning = True


def floatx() -> str:
    """The dtype that new layers give their parameters: "float32" or "float64"."""
    return _floatx


def set_floatx(dtype: Any) -> None:
    """Set the dtype of parameters created from now on.

    Raises:
        ValueError: if `dtype` is neither float32 nor float64.
    """
    global _floatx
    _floatx = float_dtype(dtype)


def float_dtype(dtype: Any) -> str:
    """Name of a supported parameter dtype; None means `floatx()`.

    Raises:
        ValueError: if `dtype` is neither float32 nor float64.
    """
    if dtype is None:
        return _floatx
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in _FLOATS:
        raise ValueError(f"dtype must be one of {_FLOATS}. Received: dtype={dtype!r}")
    return name


def input_scale_warnings() -> bool:
    """Whether models tell when inputs are on another scale than they need."""
    return _input_scale_warnings


def set_input_scale_warnings(value: bool) -> None:
    """Switch `InputScaleWarning` on or off."""
    global _input_scale_warnings
    _input_scale_warnings = bool(value)


def batch_norm_folding() -> bool:
    """Whether models fold BatchNormalization into the layer before it where they only predict."""
    return _batch_norm_folding


def set_batch_norm_folding(value: bool) -> None:
    """Switch the folding off, to compare layer by layer, or on again.

    The results are the same to rounding.
    """
    global _batch_norm_folding
    _batch_norm_folding = bool(value)


def planning() -> bool:
    """Whether models compute layers that follow each other together, see `models/plan.py`."""
    return _planning


def set_planning(value: bool) -> None:
    """Switch it off, to compute layer by layer (BatchNormalization is not folded then, either).

    The results are the same to rounding.
    """
    global _planning
    _planning = bool(value)
