"""The confusion matrix: counted right, oriented right, legible."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tinyconv.explain import confusion, confusion_matrix
from tinyconv.explain.style import RIGHT, WRONG

LABELS = [0, 0, 0, 0, 1, 1, 2]
PREDICTED = [0, 0, 0, 2, 1, 0, 2]
NAMES = ["cat", "dog", "fox", "nobody"]
MATRIX = [[3, 0, 1, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_rows_are_true_and_columns_predicted() -> None:
    counts = confusion_matrix(LABELS, PREDICTED, 4)
    assert counts.tolist() == MATRIX
    assert counts.dtype == np.int64


def test_counts_as_the_naive_loop_does() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 7, (2, 500))
    naive = np.zeros((7, 7), int)
    for true, guess in zip(labels, predicted, strict=True):
        naive[true, guess] += 1
    counted = confusion_matrix(labels.astype(np.uint8), predicted.astype(np.uint8), 7)
    np.testing.assert_array_equal(counted, naive)


def test_many_classes_in_small_integers_do_not_overflow() -> None:
    labels = np.array([199, 200], np.uint8)
    assert confusion_matrix(labels, labels, 201)[199:, 199:].tolist() == [[1, 0], [0, 1]]


def test_figure_tells_counts_names_and_accuracies() -> None:
    figure = confusion(LABELS, PREDICTED, NAMES)
    (matrix,) = figure.axes
    (accuracy,) = matrix.child_axes
    cells = [text.get_text() for text in matrix.texts]
    assert np.reshape(cells, (4, 4)).astype(int).tolist() == MATRIX
    assert [tick.get_text() for tick in matrix.get_xticklabels()] == NAMES
    assert [tick.get_text() for tick in matrix.get_yticklabels()] == NAMES
    assert (matrix.get_xlabel(), matrix.get_ylabel()) == ("predicted", "true")
    assert [text.get_text() for text in accuracy.texts] == ["75.0%", "50.0%", "100.0%", "none"]
    assert accuracy.get_ylim() == matrix.get_ylim()
    assert figure.get_suptitle() == "71.4% right: 5 of 7 images"
    assert {tick.get_rotation() for tick in matrix.get_xticklabels()} == {45}
    (short,) = confusion(LABELS, PREDICTED, range(4)).axes
    assert {tick.get_rotation() for tick in short.get_xticklabels()} == {0}


def test_diagonal_is_blue_errors_are_red_and_counts_are_legible() -> None:
    (matrix,) = confusion([0, 0, 1], [1, 1, 1], NAMES[:2]).axes
    colours = np.asarray(matrix.images[0].get_array())
    np.testing.assert_allclose(colours[1, 1], to_rgb(RIGHT))
    np.testing.assert_allclose(colours[0, 1], to_rgb(WRONG))
    np.testing.assert_allclose(colours[0, 0], 1)
    inks = [text.get_color() for text in matrix.texts]
    assert inks[1] == inks[3] == "white"
    assert "white" not in (inks[0], inks[2])


def test_too_many_classes_to_write_them_all() -> None:
    (matrix,) = confusion(np.arange(60), np.arange(60), [str(name) for name in range(60)]).axes
    assert len(matrix.texts) == 0


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [
        ([0, 1], [0], "labels, predicted must be equally long"),
        ([], [], "nothing to show"),
        ([4], [0], "labels must lie from 0 to 3"),
        ([0], [-1], "predicted must lie from 0 to 3"),
        ([0], [[0.1, 0.2, 0.3, 0.4]], r"predicted must hold one class index.*argmax"),
    ],
)
def test_mistakes_are_told(labels: list, predicted: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confusion(labels, predicted, NAMES)
