"""The way that optimizers take down a loss surface of two parameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.explain.style import (
    FAINT,
    INK,
    QUIET,
    RIGHT,
    WRONG,
    clear_spines,
    new_figure,
)
from tinyconv.explain.surfaces import SURFACES, Surface
from tinyconv.optimizers import SGD, Adam, Optimizer, RMSprop
from tinyconv.optimizers.buffer import ParameterBuffer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (RIGHT, "#d98a00", WRONG, "#23867a", "#7b4fb5", INK)
_LEVELS = 14  # contour lines
_GRID = 201  # points a side


class OptimizerPath(NamedTuple):
    """Where one optimizer went.

    Attributes:
        points: (steps + 1, 2), a and b before the first step and after each.
        losses: (steps + 1,) of the surface there.
        learning_rate: of the first step.
    """

    points: np.ndarray
    losses: np.ndarray
    learning_rate: float


def optimizer_paths(
    surface: str | Surface = "ravine",
    optimizers: Mapping[str, Optimizer] | None = None,
    steps: int = 60,
    start: tuple[float, float] | None = None,
) -> dict[str, OptimizerPath]:
    """Let each optimizer take the same number of steps from the same point.

    It is the optimizers' own code that takes them, in float64; the ones given stay as they are.

    Args:
        surface: "ravine", "saddle", "valley", or a `Surface`.
        optimizers: by the name to show; SGD, RMSprop and Adam unless given.
        steps: how many.
        start: (a, b), the surface's own unless given.

    Raises:
        ValueError: for an unknown surface, or no steps or optimizers.
        TypeError: for something that is no optimizer.
    """
    ground = _surface(surface)
    if steps < 1:
        raise ValueError(f"optimizer_path: steps must be at least 1. Received: steps={steps}")
    chosen = _usual(ground) if optimizers is None else dict(optimizers)
    if not chosen:
        raise ValueError("optimizer_path: there is no optimizer to follow")
    for name, optimizer in chosen.items():
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"optimizer_path: {name!r} must be a tinyconv optimizer. Received: {optimizer!r}"
            )
    first = ground.start if start is None else (float(start[0]), float(start[1]))
    with np.errstate(over="ignore", invalid="ignore"):  # too large a rate leads to infinity
        return {name: _walk(each, ground, steps, first) for name, each in chosen.items()}


def optimizer_path(
    surface: str | Surface = "ravine",
    optimizers: Mapping[str, Optimizer] | None = None,
    steps: int = 60,
    start: tuple[float, float] | None = None,
) -> Figure:
    """Draw the paths of `optimizer_paths` on the surface, and the loss after each step.

    Arguments and errors are those of `optimizer_paths`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    ground = _surface(surface)
    paths = optimizer_paths(ground, optimizers, steps, start)
    figure = new_figure(11.5, 4.6)
    map_, curve = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.5, 1.0]})
    _draw_map(map_, ground, paths)
    _draw_losses(curve, paths)
    return figure


def _usual(surface: Surface) -> dict[str, Optimizer]:
    return {"SGD": SGD(surface.rate), "RMSprop": RMSprop(0.2), "Adam": Adam(0.2)}


def _surface(given: str | Surface) -> Surface:
    surface = SURFACES.get(given) if isinstance(given, str) else given
    if not isinstance(surface, Surface):
        raise ValueError(
            f"optimizer_path: surface must be one of {list(SURFACES)}, or a Surface. "
            f"Received: {given!r}"
        )
    return surface


class _Point:
    """a and b as the one variable of an optimizer; see `ParameterBuffer`."""

    path, shape, dtype = "point", (2,), "float64"

    def __init__(self, start: tuple[float, float]) -> None:
        self.value: Any = get_backend().asarray(start, "float64")


def _walk(
    optimizer: Optimizer, surface: Surface, steps: int, start: tuple[float, float]
) -> OptimizerPath:
    fresh = copy.deepcopy(optimizer)
    fresh.iterations, fresh.slots = 0, {}
    rate = float(fresh.learning_rate)
    point = _Point(start)
    buffer = ParameterBuffer([point])
    points = [np.array(start, "float64")]
    for _ in range(steps):
        gradient = np.array(surface.gradient(*points[-1]), "float64")
        buffer.collect({"point": get_backend().asarray(gradient)})
        fresh.apply(buffer)
        points.append(get_backend().to_numpy(point.value).copy())
    path = np.stack(points)
    return OptimizerPath(path, np.asarray(surface.value(path[:, 0], path[:, 1])), rate)


def _draw_map(axes: Axes, surface: Surface, paths: Mapping[str, OptimizerPath]) -> None:
    a, b = np.linspace(*surface.a, _GRID), np.linspace(*surface.b, _GRID)
    heights = surface.value(a[None, :], b[:, None])
    # Lines at equal distances of the square root: a bowl's are then equally far apart.
    floor = float(heights.min())
    levels = floor + np.linspace(0, np.sqrt(heights.max() - floor), _LEVELS + 2)[1:-1] ** 2
    axes.contour(a, b, heights, levels=levels, colors=QUIET, linewidths=0.8, linestyles="solid")
    for minimum in surface.minima:
        axes.plot(*minimum, marker="*", color=INK, markersize=13, zorder=5)
    for (name, path), colour in zip(paths.items(), _colours(len(paths)), strict=True):
        along, across = path.points.T
        axes.plot(
            along, across, color=colour, label=name, marker="o", markersize=3, linewidth=1.4,
            zorder=3,
        )  # fmt: skip
    start = next(iter(paths.values())).points[0]
    axes.plot(*start, marker="o", color="white", markeredgecolor=INK, markersize=8, zorder=6)
    axes.set_xlim(*surface.a)
    axes.set_ylim(*surface.b)
    _finish(axes, surface.name, "a", "b")


def _draw_losses(axes: Axes, paths: Mapping[str, OptimizerPath]) -> None:
    for (name, path), colour in zip(paths.items(), _colours(len(paths)), strict=True):
        label = f"{name}, learning rate {path.learning_rate:g}"
        axes.plot(path.losses, color=colour, label=label, linewidth=1.6)
    if all((path.losses > 0).all() for path in paths.values()):
        axes.set_yscale("log")
    # A path that runs away leaves the picture, and the others stay readable.
    begin = max(path.losses[0] for path in paths.values())
    if any(not path.losses.max() <= 10 * begin for path in paths.values()) and begin > 0:
        axes.set_ylim(top=2 * begin)
    axes.grid(axis="y", color=QUIET, alpha=0.4, linewidth=0.7)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    _finish(axes, "loss after each step", "step", "")


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontweight="bold", fontsize=11)
    axes.set_xlabel(x, color=FAINT)
    axes.set_ylabel(y, color=FAINT)
    axes.tick_params(colors=FAINT, length=3)
    clear_spines(axes, "left", "bottom")


def _colours(count: int) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(count)]
