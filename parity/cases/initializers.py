"""The initializers, by their distributions: mean, deviation, deciles and bounds of samples.

The fan is in the deviation: it is sqrt(scale / fan), so that a forgotten receptive field or the
wrong fan changes it by a factor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parity.case import Case, Results, Uses
from parity.data import Array
from parity.sides.base import Side
from parity.tolerances import SAMPLED

_SAMPLE = 100_000
_SHAPES = {"dense": (50, 400), "conv": (5, 3, 16, 32), "bias": (2000,)}
_PRESETS = (
    "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal",
)  # fmt: skip


def statistics(values: Array, bounded: bool) -> Results:
    """What a sample tells about its distribution."""
    values = values.astype("float64")
    mean, deviation = values.mean(), values.std()
    results = {
        "mean": np.asarray(mean / deviation),
        "deviation": np.asarray(deviation),
        "deciles": np.quantile(values, np.linspace(0.1, 0.9, 9)),
    }
    if bounded:
        results["bound"] = np.asarray(np.abs(values - mean).max())
    return results


def sampled(cls: str, words: str, shape: tuple[int, ...], /, **arguments: Any) -> Case:
    """Many arrays of one shape, each with its own seed."""
    bounded = cls != "RandomNormal" and arguments.get("distribution") != "untruncated_normal"

    def measure(side: Side, dtype: str) -> Results:
        made = getattr(side.library.initializers, cls)
        draws = [
            side.initialize(made(**arguments, seed=seed), shape, dtype).reshape(-1)
            for seed in range(math.ceil(_SAMPLE / math.prod(shape)))
        ]
        return statistics(np.concatenate(draws), bounded)

    uses = ((cls, {**arguments, "seed": 0}),)
    return _case(f"{cls}, {words}", measure, uses)


def _case(name: str, measure: Any, uses: Uses) -> Case:
    return Case("initializers", name, measure, uses, tolerance=SAMPLED, scales={"mean": 1.0})


def cases() -> list[Case]:
    """All of them."""
    presets = [
        sampled(cls, f"{kind} {shape}", shape)
        for cls in _PRESETS
        for kind, shape in _SHAPES.items()
    ]
    return [*_exact(), *_simple(), *presets, *_scaling(), *_layers(), *_seeds()]


def _exact() -> list[Case]:
    def constant(cls: str, words: str, **arguments: Any) -> Case:
        def measure(side: Side, dtype: str) -> Results:
            made = getattr(side.library.initializers, cls)(**arguments)
            return {"output": side.initialize(made, (3, 4), dtype)}

        return Case("initializers", f"{cls}{words}", measure, ((cls, arguments),))

    return [
        constant("Zeros", ""),
        constant("Ones", ""),
        constant("Constant", ""),
        constant("Constant", ", value", value=0.25),
    ]


def _simple() -> list[Case]:
    shape = (200, 100)
    return [
        sampled("RandomNormal", "defaults", shape),
        sampled("RandomNormal", "mean and stddev", shape, mean=0.3, stddev=0.1),
        sampled("TruncatedNormal", "defaults", shape),
        sampled("TruncatedNormal", "mean and stddev", shape, mean=0.3, stddev=0.1),
        sampled("RandomUniform", "defaults", shape),
        sampled("RandomUniform", "minval and maxval", shape, minval=-0.1, maxval=0.4),
    ]


def _scaling() -> list[Case]:
    conv = _SHAPES["conv"]
    every = [
        sampled("VarianceScaling", f"{mode}, {distribution}", conv, mode=mode,
                distribution=distribution)
        for mode in ("fan_in", "fan_out", "fan_avg")
        for distribution in ("truncated_normal", "untruncated_normal", "uniform")
    ]  # fmt: skip
    return [
        *every,
        sampled("VarianceScaling", "defaults", conv),
        sampled("VarianceScaling", "scale 2", conv, scale=2.0),
        sampled("VarianceScaling", "1x1 kernel", (1, 1, 40, 500), mode="fan_out"),
    ]


def _layers() -> list[Case]:
    """The initial weights of the layers, by the names that programs use."""

    def layer(cls: str, shape: tuple[Any, ...], words: str, /, **arguments: Any) -> Case:
        def measure(side: Side, dtype: str) -> Results:
            side.library.utils.set_random_seed(1)
            kernels: list[Array] = []
            while sum(map(len, kernels)) < _SAMPLE:
                made = getattr(side.library.layers, cls)(**arguments)
                side.build(made, shape)
                kernels.append(np.asarray(made.get_weights()[0]).reshape(-1))
            bounded = "untruncated" not in words
            return {
                **statistics(np.concatenate(kernels), bounded),
                "bias": np.asarray(made.get_weights()[1]),
            }

        return _case(f"{cls}, {words}", measure, ((cls, arguments),))

    image = (None, 8, 8, 12)
    conv: dict[str, Any] = {"filters": 60, "kernel_size": (3, 5)}
    return [
        layer("Dense", (None, 100), "by default", units=300),
        layer("Dense", (None, 100), "he_normal", units=300, kernel_initializer="he_normal"),
        layer("Dense", (None, 100), "bias ones", units=300, bias_initializer="ones"),
        layer("Conv2D", image, "by default", **conv),
        layer("Conv2D", image, "by default, groups 3", **conv, groups=3),
        layer("Conv2D", image, "he_uniform", **conv, kernel_initializer="he_uniform"),
        layer("Conv2D", image, "bias ones", **conv, bias_initializer="ones"),
    ]


def _seeds() -> list[Case]:
    """A seed repeats its values, two seeds and two initializers without one do not."""

    def repeats(cls: str) -> Case:
        def measure(side: Side, dtype: str) -> Results:
            make = getattr(side.library.initializers, cls)

            def values(made: Any) -> Array:
                return side.initialize(made, (4, 5), dtype)

            seeded = make(seed=3)
            pairs = [(seeded, seeded), (make(seed=3), make(seed=3)), (make(seed=3), make(seed=4)),
                     (make(), make())]  # fmt: skip
            same = [np.array_equal(values(a), values(b)) for a, b in pairs]
            return {"output": np.asarray(same)}

        return Case("initializers", f"{cls}, seeds", measure, ((cls, {"seed": 3}),))

    random = ("RandomNormal", "TruncatedNormal", "RandomUniform", "VarianceScaling", *_PRESETS)
    return [repeats(cls) for cls in random]
