"""Training curves: one panel a metric, whole epochs, one epoch as well."""

from __future__ import annotations

import numpy as np
import pytest

from tinyconv import Sequential, layers
from tinyconv.explain import training_curves
from tinyconv.explain.curves import _epoch_ticks
from tinyconv.explain.style import RIGHT, WRONG

HISTORY = {
    "accuracy": [0.7, 0.8, 0.85],
    "loss": [0.9, 0.5, 0.4],
    "val_accuracy": [0.72, 0.79, 0.8],
    "val_loss": [0.8, 0.6, 0.55],
}


def test_training_and_validation_share_a_panel() -> None:
    accuracy, loss = training_curves(HISTORY).axes
    assert [axes.get_title(loc="left") for axes in (accuracy, loss)] == ["accuracy", "loss"]
    for axes, metric in ((accuracy, "accuracy"), (loss, "loss")):
        assert [line.get_label() for line in axes.lines] == ["training", "validation"]
        assert [line.get_color() for line in axes.lines] == [RIGHT, WRONG]
        for line, name in zip(axes.lines, (metric, "val_" + metric), strict=True):
            np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
            np.testing.assert_array_equal(line.get_ydata(), HISTORY[name])
        assert axes.get_xticks().tolist() == [1, 2, 3]
        assert axes.get_legend() is not None


def test_one_epoch_is_a_marker_in_the_middle() -> None:
    (axes,) = training_curves({"loss": [0.5]}).axes
    assert axes.get_xticks().tolist() == [1]
    assert axes.get_xlim() == (0.5, 1.5)
    assert axes.lines[0].get_marker() == "o"
    assert axes.get_legend() is None


def test_four_metrics_take_two_rows() -> None:
    figure = training_curves({name: [1.0, 2.0] for name in ("loss", "a", "b", "top_5")})
    drawn = [axes for axes in figure.axes if axes.lines]
    assert [axes.get_title(loc="left") for axes in drawn] == ["loss", "a", "b", "top 5"]
    assert drawn[3].get_subplotspec().rowspan.start == 1


def test_loss_that_is_not_a_number_leaves_a_gap() -> None:
    (axes,) = training_curves({"loss": [1.0, float("nan"), 0.5]}).axes
    assert np.isnan(axes.lines[0].get_ydata()[1])


@pytest.mark.parametrize(
    ("epochs", "ticks"),
    [
        (1, [1]),
        (15, list(range(1, 16))),
        (16, [1, 5, 10, 15]),
        (100, [1, *range(10, 101, 10)]),
        (500, [1, *range(50, 501, 50)]),
    ],
)
def test_ticks_are_whole_epochs_from_one(epochs: int, ticks: list[int]) -> None:
    assert _epoch_ticks(epochs) == ticks


@pytest.mark.parametrize("history", [{}, {"loss": []}])
def test_nothing_to_show(history: dict) -> None:
    with pytest.raises(ValueError, match="has the model been fitted"):
        training_curves(history)


def test_lengths_that_differ() -> None:
    with pytest.raises(ValueError, match=r"give the History that fit returns.*'val_loss': 1"):
        training_curves({"loss": [1.0, 0.5], "val_loss": [0.7]})


def test_epochs_that_were_validated_are_drawn_where_they_are() -> None:
    x, y = np.zeros((4, 2), "float32"), np.zeros((4, 1), "float32")
    model = Sequential([layers.Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse")
    history = model.fit(
        x, y, epochs=9, initial_epoch=3, validation_data=(x, y), validation_freq=2, verbose=0
    )
    (axes,) = training_curves(history).axes
    training, validation = axes.lines
    assert list(training.get_xdata()) == axes.get_xticks().tolist() == [4, 5, 6, 7, 8, 9]
    assert list(validation.get_xdata()) == [4, 6, 8]
    assert list(validation.get_ydata()) == history.history["val_loss"]
    assert axes.get_xlim() == (3.5, 9.5)
