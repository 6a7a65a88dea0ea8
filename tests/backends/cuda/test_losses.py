"""Cross-entropies of rows that take several turns of a block, and of many rows.

That they compute the right thing on ordinary arguments is checked by the tests of all backends.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.comparison import assert_close
from tests.strategies import Fill, fills
from tinyconv.backends.cuda import CudaBackend, losses
from tinyconv.backends.numpy import NumpyBackend

textbook = NumpyBackend()
WIDTHS = st.sampled_from([1, 2, 10, 31, 32, 33, 100, 256, 300, 1000])


def compare(host: CudaBackend, operation: str, *arguments: np.ndarray) -> None:
    results = getattr(host, operation)(*arguments)
    expected = getattr(textbook, operation)(*arguments)
    for result, value in zip(results, expected, strict=True):
        assert_close(result, value, arguments[0].dtype, scale=10)


@given(
    rows=st.integers(1, 5), width=WIDTHS, fill=fills(), bad=st.sampled_from([0, np.nan, -np.inf])
)
def test_wide_rows(host: CudaBackend, dtype: str, rows: int, width: int, fill: Fill, bad: float):
    logits, weights = fill((rows, width), dtype), fill((rows,), dtype)
    rest = fill.generator.random((rows, width)).astype(dtype)
    classes = fill.generator.integers(0, width, rows)
    row, column = fill.index(logits.shape)
    if width > 1:
        logits[row, column] = bad
        rest[row, column] = 0  # a masked class is nobody's target
        classes[row] = (column + 1) % width
    with np.errstate(invalid="ignore"):
        compare(host, "softmax_cross_entropy", logits, classes, weights)
        compare(host, "softmax_cross_entropy", logits, rest, weights)
        if bad != -np.inf:
            compare(host, "sigmoid_cross_entropy", logits, rest, weights)


@pytest.mark.parametrize("operation", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_more_rows_than_blocks(
    host: CudaBackend, dtype: str, operation: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(losses, "_MOST_BLOCKS", 7)
    fill = Fill(1)
    logits, targets = fill((50, 10), dtype), np.abs(fill((50, 10), dtype))
    compare(host, operation, logits, targets, fill((50,), dtype))


@pytest.mark.parametrize("operation", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_arrays_that_do_not_fit_the_logits(host: CudaBackend, dtype: str, operation: str):
    """Kernels check nothing: they would read beyond the array."""
    logits = np.zeros((4, 3), dtype)
    with pytest.raises(ValueError, match=r"targets of shape \(4, 3\).*Received: .*\(4, 2\)"):
        getattr(host, operation)(logits, logits[:, 1:], logits[:, 0])
    with pytest.raises(ValueError, match=r"weights of shape \(4,\).*Received: .*\(3,\)"):
        getattr(host, operation)(logits, logits, logits[1:, 0])
