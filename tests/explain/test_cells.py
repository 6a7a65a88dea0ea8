"""Cells: what is written in them, and in which colours."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex

from tinyconv.explain.cells import draw_cells, shown
from tinyconv.explain.panels import histogram
from tinyconv.explain.style import RIGHT, WRONG, new_figure


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 3, "0"),
        (-0.04213, 3, "−0.0421"),
        (0.5, 2, "0.5"),
        (123.4, 2, "123"),
        (-12345.6, 3, "−12346"),
        (123456.7, 3, "1.23e+05"),
        (0.00001234, 3, "1.23e−5"),
    ],
)
def test_numbers_are_short(value: float, digits: int, text: str) -> None:
    assert shown(value, digits) == text


def test_blue_is_positive_red_negative_and_nan_is_empty() -> None:
    axes = new_figure(3, 3).subplots()
    values = np.array([[2.0, -2.0, 0.0], [np.nan, 1.0, 0.25]])
    draw_cells(axes, values, "a title")
    assert [text.get_text() for text in axes.texts] == ["2", "−2", "0", "1", "0.25"]
    colours = axes.images[0].to_rgba(np.ma.masked_invalid(values))
    assert [to_hex(colours[0, n]) for n in range(3)] == [RIGHT, WRONG, "#ffffff"]
    assert axes.texts[0].get_color() == axes.texts[1].get_color() == "white"
    assert axes.get_title() == "a title"


def test_numbers_of_a_histogram_do_not_touch() -> None:
    figure = new_figure(4.0, 1.0)
    axes = figure.subplots()
    histogram(axes, 1e-4 * np.random.default_rng(0).normal(size=200))
    figure.canvas.draw()
    shown_ticks = [each for each in axes.get_xticklabels() if each.get_text()]
    boxes = [each.get_window_extent() for each in shown_ticks]
    assert len(boxes) >= 3
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    assert "0.0002" in [each.get_text() for each in shown_ticks]
    assert not axes.xaxis.get_offset_text().get_text()
