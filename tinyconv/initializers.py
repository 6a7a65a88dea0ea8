"""Initial values of parameters, with Keras' names, defaults and bounds."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinyconv import random, registry
from tinyconv.backends.base import Array

# Standard deviation of a standard normal cut at two standard deviations.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """Called with a shape and a dtype, returns a new array."""

    config_keys: tuple[str, ...] = ()

    def __call__(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        raise TypeError(f"{type(self).__name__} must define __call__(shape, dtype)")

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {key: getattr(self, key) for key in self.config_keys}


class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        return np.zeros(shape, dtype)


class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        return np.ones(shape, dtype)


class Constant(Initializer):
    """All `value`."""

    config_keys = ("value",)

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        return np.full(shape, self.value, dtype)


class RandomNormal(Initializer):
    """Normal with `mean` and `stddev`."""

    config_keys = ("mean", "stddev", "seed")

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        values = random.generator(self.seed).standard_normal(shape)
        return (self.mean + self.stddev * values).astype(dtype)


class TruncatedNormal(RandomNormal):
    """Normal, with values beyond two standard deviations drawn again."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        generator = random.generator(self.seed)
        values = generator.standard_normal(shape)
        while (outside := np.abs(values) > 2).any():
            values[outside] = generator.standard_normal(int(outside.sum()))
        return (self.mean + self.stddev * values).astype(dtype)


class RandomUniform(Initializer):
    """Uniform in [minval, maxval)."""

    config_keys = ("minval", "maxval", "seed")

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        values = random.generator(self.seed).uniform(self.minval, self.maxval, shape)
        return values.astype(dtype)


class VarianceScaling(Initializer):
    """Variance = scale / fan, so that signals keep their size from layer to layer.

    fan is fan_in, fan_out or their mean (fan_avg), see `fans`.

    Args:
        scale: positive factor.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" ("normal"), "untruncated_normal" or "uniform".
        seed: its own generator; None draws from the shared one.

    Raises:
        ValueError: for a scale, mode or distribution that is none of these.
    """

    config_keys: tuple[str, ...] = ("scale", "mode", "distribution", "seed")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if scale <= 0:
            raise ValueError(f"scale must be positive. Received: scale={scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"mode must be fan_in, fan_out or fan_avg. Received: mode={mode!r}")
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                "distribution must be truncated_normal, untruncated_normal or uniform. "
                f"Received: distribution={distribution!r}"
            )
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return RandomUniform(-limit, limit, self.seed)(shape, dtype)
        if self.distribution == "untruncated_normal":
            return RandomNormal(0.0, math.sqrt(variance), self.seed)(shape, dtype)
        # Cutting the tails narrows the distribution; widen it again.
        stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
        return TruncatedNormal(0.0, stddev, self.seed)(shape, dtype)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out): how many inputs feed an output, and the reverse.

    For a kernel (..., C, F) the receptive field counts in both: KH*KW*C and KH*KW*F.
    """
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


class _Preset(VarianceScaling):
    """VarianceScaling with everything but the seed fixed."""

    config_keys = ("seed",)
    preset: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self.preset, seed)


class GlorotUniform(_Preset):
    """Uniform within sqrt(6 / (fan_in + fan_out)). Source: Glorot & Bengio 2010, equation 16."""

    preset = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Preset):
    """Truncated normal, variance 2 / (fan_in + fan_out). Source: Glorot & Bengio 2010."""

    preset = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Preset):
    """Uniform within sqrt(6 / fan_in), for ReLU. Source: He et al. 2015, equation 10."""

    preset = (2.0, "fan_in", "uniform")


class HeNormal(_Preset):
    """Truncated normal, variance 2 / fan_in, for ReLU. Source: He et al. 2015, equation 10."""

    preset = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Preset):
    """Uniform within sqrt(3 / fan_in). Source: LeCun et al. 1998, "Efficient BackProp", 4.6."""

    preset = (1.0, "fan_in", "uniform")


class LecunNormal(_Preset):
    """Truncated normal, variance 1 / fan_in. Source: LeCun et al. 1998, 4.6."""

    preset = (1.0, "fan_in", "truncated_normal")


# How many values may still be made, where a file is about to overwrite them all.
_left: ContextVar[int | None] = ContextVar("values left", default=None)


@contextlib.contextmanager
def blank(limit: int) -> Iterator[None]:
    """Within it layers start with zeros, and draw no random numbers: a file has their values.

    Args:
        limit: how many values the file holds; a layer that asks for more raises ValueError
            before memory is taken.
    """
    token = _left.set(limit)
    try:
        yield
    finally:
        _left.reset(token)


def create(initializer: Initializer, shape: tuple[int, ...], dtype: Any, what: str) -> Array:
    """The first values of a parameter; `what` names it in the error, see `blank`."""
    left = _left.get()
    if left is None:
        return initializer(shape, dtype)
    size = math.prod(shape)
    if size > left:
        raise ValueError(
            f"{what} of shape {shape} asks for {size:,} values, but the file has only {left:,} "
            "left for it"
        )
    _left.set(left - size)
    return np.zeros(shape, dtype)


_CLASSES = (
    Zeros, Ones, Constant, RandomNormal, TruncatedNormal, RandomUniform, VarianceScaling,
    GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal,
)  # fmt: skip
_TABLE = {registry.snake_case(cls.__name__): cls for cls in _CLASSES}


def get(identifier: Any, argument: str = "initializer") -> Initializer:
    """An initializer for a name such as "he_normal", a class, a config or an instance.

    Raises:
        ValueError: for an unknown name.
    """
    initializer: Initializer = registry.lookup(identifier, _TABLE, argument)
    return initializer
