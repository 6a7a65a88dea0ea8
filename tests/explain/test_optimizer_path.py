"""Optimizers on a loss surface: the paths are those of the formulas, the picture shows them."""

import math

import numpy as np
import pytest

from tinyconv import backends, explain
from tinyconv.explain.surfaces import SURFACES, Surface
from tinyconv.optimizers import SGD, Adam, RMSprop

RAVINE = SURFACES["ravine"]


def by_hand(name: str, steps: int) -> np.ndarray:
    """The three rules in Python's own numbers, one parameter at a time."""
    ways = []
    for w, steep in zip(RAVINE.start, (1.0, 20.0), strict=True):
        way, m, v = [w], 0.0, 0.0
        for t in range(1, steps + 1):
            g = steep * w
            if name == "SGD":
                w -= 0.09 * g
            elif name == "RMSprop":
                v = 0.9 * v + 0.1 * g * g
                w -= 0.2 * g / math.sqrt(v + 1e-7)
            else:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                mean, square = m / (1 - 0.9**t), v / (1 - 0.999**t)
                w -= 0.2 * mean / (math.sqrt(square) + 1e-7)
            way.append(w)
        ways.append(way)
    return np.array(ways).T


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_paths_are_those_of_the_formulas(backend: str):
    with backends.use_backend(backend):
        paths = explain.optimizer_paths(steps=25)
    assert list(paths) == ["SGD", "RMSprop", "Adam"]
    for name, path in paths.items():
        np.testing.assert_allclose(path.points, by_hand(name, 25), rtol=1e-6, atol=1e-7)
        a, b = path.points.T
        np.testing.assert_allclose(path.losses, (a**2 + 20 * b**2) / 2)


@pytest.mark.parametrize("name", list(SURFACES))
def test_the_slopes_of_the_surfaces(name: str):
    surface, h = SURFACES[name], 1e-5
    for a, b in np.random.default_rng(0).uniform(-1.5, 1.5, (20, 2)):
        by_a = (surface.value(a + h, b) - surface.value(a - h, b)) / (2 * h)
        by_b = (surface.value(a, b + h) - surface.value(a, b - h)) / (2 * h)
        np.testing.assert_allclose(surface.gradient(a, b), (by_a, by_b), rtol=1e-6, atol=1e-8)
    for minimum in surface.minima:
        assert np.allclose(surface.gradient(*minimum), 0)


@pytest.mark.parametrize("name", list(SURFACES))
def test_all_three_come_down(name: str):
    for path in explain.optimizer_paths(name).values():
        assert path.losses[-1] < 0.2 * path.losses[0]


def test_the_optimizers_given_stay_as_they_are():
    adam = Adam(0.3)
    first, again = (explain.optimizer_paths("saddle", {"mine": adam}, steps=5) for _ in range(2))
    np.testing.assert_array_equal(first["mine"].points, again["mine"].points)
    assert (adam.iterations, adam.slots) == (0, {})
    assert first["mine"].learning_rate == 0.3
    assert first["mine"].points.shape == (6, 2)


def test_momentum_and_a_start_of_ones_own():
    path = explain.optimizer_paths("ravine", {"m": SGD(0.01, momentum=0.5)}, 2, start=(1, 0))["m"]
    velocity = 0.5 * -0.01 - 0.01 * 0.99
    np.testing.assert_allclose(path.points[:, 0], [1, 0.99, 0.99 + velocity])


def test_the_picture():
    figure = explain.optimizer_path(steps=10)
    ground, losses = figure.axes
    paths = explain.optimizer_paths(steps=10)
    drawn = {line.get_label(): line for line in ground.lines}
    for name, path in paths.items():
        np.testing.assert_array_equal(np.transpose(drawn[name].get_data()), path.points)
    told = [text.get_text() for text in losses.get_legend().get_texts()]
    assert told == [f"{name}, learning rate {rate}" for name, rate in
                    (("SGD", 0.09), ("RMSprop", 0.2), ("Adam", 0.2))]  # fmt: skip
    assert losses.get_yscale() == "log"
    np.testing.assert_array_equal(losses.lines[2].get_ydata(), paths["Adam"].losses)
    assert ground.get_title(loc="left").startswith("ravine, L = ")


def test_a_path_that_runs_away():
    figure = explain.optimizer_path("valley", {"far": SGD(1.0), "near": RMSprop(0.1)})
    ground, losses = figure.axes
    assert not np.isfinite(explain.optimizer_paths("valley", {"far": SGD(1.0)})["far"].losses[-1])
    assert ground.get_xlim() == SURFACES["valley"].a
    assert losses.get_ylim()[1] == 2 * losses.lines[0].get_ydata()[0]


def test_a_surface_of_ones_own():
    bowl = Surface(
        "bowl", lambda a, b: a**2 + b**2, lambda a, b: (2 * a, 2 * b), (-1, 1), (-1, 1), (1, 1)
    )
    path = explain.optimizer_paths(bowl, {"SGD": SGD(0.5)}, steps=1)["SGD"]
    np.testing.assert_array_equal(path.points, [[1, 1], [0, 0]])
    assert explain.optimizer_path(bowl, steps=3).axes[0].get_title(loc="left") == "bowl"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"surface": "hill"}, ValueError, r"one of \['ravine', 'saddle', 'valley'\].*'hill'"),
        ({"steps": 0}, ValueError, "steps must be at least 1. Received: steps=0"),
        ({"optimizers": {}}, ValueError, "no optimizer to follow"),
        ({"optimizers": {"sgd": "sgd"}}, TypeError, "'sgd' must be a tinyconv optimizer"),
    ],
)
def test_what_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        explain.optimizer_path(**arguments)
