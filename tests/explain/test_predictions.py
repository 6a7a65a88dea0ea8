"""The grid of predictions: what it says, in which colour, and what it refuses."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tinyconv.data import digits, fashion_mnist
from tinyconv.explain import predictions
from tinyconv.explain.style import QUIET, RIGHT, WRONG, displayable

NAMES = fashion_mnist.CLASS_NAMES
RNG = np.random.default_rng(3)


def sure(labels: list[int], classes: int = 10, share: float = 0.73) -> np.ndarray:
    """Probabilities of which `share` goes to the labels."""
    rest = (1 - share) / (classes - 1)
    return np.where(np.arange(classes) == np.array(labels)[:, None], share, rest)


def panels(figure: Figure) -> tuple[list[Axes], list[Axes]]:
    """The axes that show an image and those that show bars."""
    return [a for a in figure.axes if a.images], [a for a in figure.axes if a.patches]


def images(count: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, *shape), np.uint8)


def test_right_is_blue_and_wrong_is_red() -> None:
    figure = predictions(images(2, 28, 28), [9, 3], sure([9, 6]), NAMES)
    pictures, bars = panels(figure)
    captions = [axes.xaxis.label for axes in pictures]
    assert [text.get_text() for text in captions] == [
        "Ankle boot · 73%\n(Ankle boot)",
        "Shirt · 73%\n(Dress)",
    ]
    assert [text.get_color() for text in captions] == [RIGHT, WRONG]

    colours = [[to_hex(bar.get_facecolor()) for bar in axes.patches] for axes in bars]
    assert colours[0] == [QUIET] * 9 + [RIGHT]
    assert colours[1] == [QUIET] * 3 + [RIGHT] + [QUIET] * 2 + [WRONG] + [QUIET] * 3
    widths = [bar.get_width() for bar in bars[1].patches]
    np.testing.assert_allclose(widths, sure([6])[0])
    assert [tick.get_text() for tick in bars[0].get_yticklabels()] == list(NAMES)


def test_fifteen_digits_in_three_columns() -> None:
    _, (x_test, y_test) = digits.load_data()
    figure = predictions(x_test, y_test, sure(y_test.tolist()), digits.CLASS_NAMES)
    pictures, bars = panels(figure)
    assert len(pictures) == len(bars) == 15
    grid = pictures[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == (5, 6)
    shown = np.asarray(pictures[4].images[0].get_array())
    np.testing.assert_allclose(shown, x_test[4] / 255)


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_few_images(count: int) -> None:
    labels = list(range(count))
    figure = predictions(images(count, 28, 28), labels, sure(labels), NAMES)
    assert [len(group) for group in panels(figure)] == [count, count]


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 3)])
def test_shapes_of_images(shape: tuple[int, ...]) -> None:
    (picture, *_), _ = panels(predictions(images(1, *shape), [0], sure([0]), NAMES))
    assert picture.images[0].get_array().shape == (shape if shape[-1] == 3 else (9, 7))


def test_of_many_classes_the_best_ten_and_the_true_one() -> None:
    chances = np.linspace(0, 0.02, 100)[None]
    names = [f"class {number}" for number in range(100)]
    _, (bars, *_) = panels(predictions(images(1, 8, 8), [[5]], chances, names))
    told = [tick.get_text() for tick in bars.get_yticklabels()]
    assert told == [f"class {number}" for number in [*range(99, 90, -1), 5]]


def test_long_names_stay_inside_the_figure() -> None:
    names = ["A three-quarter length sleeveless evening dress"] * 9 + ["A" * 60]
    figure = predictions(images(4, 28, 28), [0, 9, 0, 9], sure([0, 0, 9, 9]), names)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    texts = [axes.xaxis.label for axes in panels(figure)[0]]
    texts += [tick for axes in panels(figure)[1] for tick in axes.get_yticklabels()]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


def test_pyplot_is_left_alone() -> None:
    before = "matplotlib.pyplot" in sys.modules
    predictions(images(1, 8, 8), [0], sure([0]), NAMES)
    assert ("matplotlib.pyplot" in sys.modules) == before


@pytest.mark.parametrize(
    ("image", "smallest", "largest"),
    [
        (np.array([[0, 255]], np.uint8), 0.0, 1.0),
        (np.array([[0, 51]], np.uint8), 0.0, 0.2),
        (np.array([[0.0, 0.5]], np.float32), 0.0, 0.5),
        (np.array([[0.0, 51.0]], np.float32), 0.0, 0.2),
        (np.array([[-2.0, 3.0]], np.float32), 0.0, 1.0),
        (np.array([[7.5, 7.5]], np.float32), 7.5 / 255, 7.5 / 255),
    ],
)
def test_any_scale_can_be_shown(image: np.ndarray, smallest: float, largest: float) -> None:
    shown = displayable(image)
    np.testing.assert_allclose([shown.min(), shown.max()], [smallest, largest], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": images(2, 8, 8)}, "equally long. Received: images 2, labels 1"),
        ({"labels": [0, 1]}, "equally long"),
        ({"labels": [10]}, "labels must lie from 0 to 9"),
        ({"labels": [0.5]}, "labels must be integers"),
        ({"labels": [[0] * 9 + [1]]}, "one class index per image"),
        ({"images": images(1, 8)}, r"Received: shape \(1, 8\)"),
        ({"images": images(1, 8, 8, 2)}, r"\(N, H, W, 3\)"),
        ({"images": images(0, 8, 8), "labels": [], "probabilities": np.ones((0, 10))}, "nothing"),
        ({"probabilities": np.ones((1, 9))}, r"shape \(N, 10\)"),
        ({"probabilities": np.full((1, 10), 3.0)}, "apply softmax first"),
        ({"probabilities": np.full((1, 10), np.nan)}, "between 0 and 1"),
        ({"count": 0}, "count"),
    ],
)
def test_mistakes_are_told(arguments: dict, message: str) -> None:
    good = {"images": images(1, 8, 8), "labels": [0], "probabilities": sure([0])}
    with pytest.raises(ValueError, match=message):
        predictions(**{**good, "class_names": NAMES, **arguments})


def test_missing_matplotlib_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "tinyconv\[plots\]"'):
        predictions(images(1, 8, 8), [0], sure([0]), NAMES)
