"""When two arrays count as equal."""

import numpy as np

# Largest error allowed, relative to the largest value: sums of a few hundred terms
# lose two or three of the 7 (float32) or 16 (float64) digits.
TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}


def assert_close(
    actual: np.ndarray,
    expected: np.ndarray,
    dtype: type,
    *,
    scale: float = 1.0,
    tolerance: float | None = None,
) -> None:
    """Same shape, the dtype asked for, NaN and infinity in the same places, values close.

    Args:
        scale: size of the numbers that were added up, where they may have cancelled.
    """
    assert actual.shape == expected.shape
    assert actual.dtype == dtype
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected), "NaN in other places")
    np.testing.assert_array_equal(actual[np.isinf(expected)], expected[np.isinf(expected)])
    assert np.isfinite(actual[finite]).all()
    if finite.any():
        scale = max(scale, np.abs(expected[finite]).max())
        error = np.abs(actual[finite] - expected[finite]).max()
        assert error <= (tolerance or TOLERANCE[np.dtype(dtype)]) * scale
