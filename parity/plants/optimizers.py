"""Errors in optimizers, schedules and initial values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parity.plants.plant import Function, Plant, after, before, default, during, function, operation
from tinyconv import initializers, optimizers
from tinyconv.backends.base import Array
from tinyconv.optimizers import schedules
from tinyconv.optimizers.base import Optimizer

# ---- updates ------------------------------------------------------------------


def _adam(inside: bool) -> Function:
    def spoil(original: Function) -> Function:
        def adam_update(self: Any, param: Array, grad: Array, m: Array, v: Array,
                        v_max: Array | None, step: float, beta_1: float, beta_2: float,
                        epsilon: float) -> None:  # fmt: skip
            m += (1 - beta_1) * (grad - m)
            v += (1 - beta_2) * (np.square(grad) - v)
            root = np.sqrt(v + epsilon) if inside else np.sqrt(v) + epsilon
            param -= step * m / root

        return adam_update

    return spoil


def _rmsprop_outside(original: Function) -> Function:
    def rmsprop_update(self: Any, param: Array, grad: Array, square: Array, mean: Any,
                       velocity: Any, rate: float, rho: float, momentum: float,
                       epsilon: float) -> None:  # fmt: skip
        square *= rho
        square += (1 - rho) * np.square(grad)
        param -= rate * grad / (np.sqrt(square) + epsilon)

    return rmsprop_update


def _damped(original: Function) -> Function:
    def sgd_update(self: Any, param: Array, grad: Array, velocity: Any, rate: float,
                   momentum: float, nesterov: bool) -> None:  # fmt: skip
        factor = grad.dtype.type(1 if velocity is None else 1 - momentum)
        original(self, param, grad * factor, velocity, rate, momentum, nesterov)

    return sgd_update


def _uncorrected(original: Function) -> Function:
    def update(self: Any, param: Array, grad: Array, rate: float) -> None:
        t = self.iterations + 1
        correction = math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        original(self, param, grad, rate / correction)

    return update


def _one_step_late(original: Function) -> Function:
    def update(self: Any, *args: Any) -> None:
        self.iterations += 1
        original(self, *args)
        self.iterations -= 1

    return update


def _without(position: int) -> Function:
    """spoil for an update: this slot is left out."""
    return before(lambda *args: (*args[:position], None, *args[position + 1 :]))


def _decay(change: Function) -> Function:
    """spoil for Optimizer.apply: another weight decay."""

    def spoil(original: Function) -> Function:
        def apply(self: Any, buffer: Any) -> None:
            decay, self.weight_decay = self.weight_decay, None
            if decay:
                change(self, buffer, decay)
            original(self, buffer)
            self.weight_decay = decay

        return apply

    return spoil


def _into_gradient(self: Any, buffer: Any, decay: float) -> None:
    buffer.gradients += decay * buffer.values


def _without_rate(self: Any, buffer: Any, decay: float) -> None:
    buffer.values *= 1 - decay


def _clip_all(original: Function) -> Function:
    def _clip(self: Any, buffer: Any) -> None:
        self.global_clipnorm, self.clipnorm = self.clipnorm, None
        original(self, buffer)
        self.clipnorm, self.global_clipnorm = self.global_clipnorm, None

    return _clip


_EVERY = ("SGD", "RMSprop", "Adam", "AdamW")


def _of_all(name: str) -> tuple[str, ...]:
    return tuple(f"{optimizer}: {name}" for optimizer in _EVERY)


UPDATES: list[Plant] = [
    operation("epsilon inside the root of Adam", "adam_update", _adam(inside=True),
              "Adam: epsilon*", "Adam: tiny gradients"),
    operation("epsilon outside the root of RMSprop", "rmsprop_update", _rmsprop_outside,
              "RMSprop: epsilon *", "RMSprop: tiny gradients"),
    operation("AMSGrad without its maximum", "adam_update", _without(5), "Adam: amsgrad*",
              "AdamW: amsgrad"),
    operation("centered without the mean", "rmsprop_update", _without(4), "RMSprop: centered*"),
    operation("momentum that damps the gradient", "sgd_update", _damped, "SGD: momentum",
              "SGD: nesterov", "trajectories: dense, *omentum*"),
    operation("Nesterov's momentum without the look ahead", "sgd_update",
              before(lambda *args: (*args[:-1], False)), "SGD: nesterov", "SGD: nesterov, *"),
    function("Adam without the correction of its start", optimizers.Adam, "update", _uncorrected,
             "Adam: learning_rate", "AdamW: learning_rate", "trajectories: dense, Adam"),
    function("Adam's correction one step late", optimizers.Adam, "update", _one_step_late,
             "Adam: learning_rate", "AdamW: learning_rate"),
    function("weight decay inside the gradient", Optimizer, "apply", _decay(_into_gradient),
             "RMSprop: weight_decay", "Adam: weight_decay", "AdamW: weight_decay*",
             "SGD: weight_decay"),
    function("weight decay without the rate", Optimizer, "apply", _decay(_without_rate),
             *_of_all("weight_decay")),
    function("clipnorm of all gradients together", Optimizer, "_clip", _clip_all,
             *_of_all("clipnorm")),
    function("a limit that is forgotten", Optimizer, "_clip", lambda _: lambda self, buffer: None,
             *_of_all("clipnorm"), *_of_all("global_clipnorm"), *_of_all("clipvalue"),
             "trajectories: dense, SGD, clipnorm"),
    default("PyTorch's rho of RMSprop by default", optimizers.RMSprop, "rho", 0.99,
            "RMSprop: defaults", "RMSprop: learning_rate"),
    default("PyTorch's epsilon of Adam by default", optimizers.Adam, "epsilon", 1e-8,
            "Adam: tiny gradients"),
    default("PyTorch's weight decay of AdamW by default", optimizers.AdamW, "weight_decay", 0.01,
            "AdamW: defaults", "AdamW: learning_rate"),
]  # fmt: skip

# ---- schedules ----------------------------------------------------------------


def _late(*classes: Any) -> list[Plant]:
    def one(cls: Any) -> Plant:
        late = before(lambda self, step: (self, max(step - 1, 0)))
        return function(
            f"{cls.__name__} a step late", cls, "__call__", late, f"schedules: {cls.__name__}, *"
        )

    return [one(cls) for cls in classes]


SCHEDULES: list[Plant] = [
    *_late(schedules.InverseTimeDecay, schedules.PolynomialDecay, schedules.CosineDecay),
    function("an exponential decay a step late", schedules.ExponentialDecay, "__call__",
             before(lambda self, step: (self, max(step - 1, 0))), "schedules: ExponentialDecay, *",
             *_of_all("schedule")),
    function("a staircase that is a ramp", schedules, "_progress",
             lambda _: lambda schedule, step: step / schedule.decay_steps,
             "schedules: *, staircase"),
    function("a boundary that belongs to what follows", schedules.PiecewiseConstantDecay,
             "__call__", before(lambda self, step: (self, step + 1)),
             "schedules: PiecewiseConstantDecay, *"),
    function("a cosine without its floor", schedules.CosineDecay, "__call__",
             during("alpha", lambda alpha: 0.0), "schedules: CosineDecay, alpha",
             "schedules: CosineDecay, *, alpha"),
    function("a cosine without warmup", schedules.CosineDecay, "__call__",
             during("warmup_target", lambda target: None), "schedules: CosineDecay, warmup*"),
    function("a cycle that ends", schedules.PolynomialDecay, "__call__",
             during("cycle", lambda cycle: False), "schedules: PolynomialDecay, cycle"),
]  # fmt: skip

# ---- initial values -----------------------------------------------------------


def _two_axes(fans: Any, shape: tuple[int, ...]) -> Any:
    return fans if len(shape) < 2 else (shape[-2], shape[-1])


INITIALIZERS: list[Plant] = [
    function("a fan without the receptive field", initializers, "fans", after(_two_axes),
             "initializers: *, conv (5, 3, 16, 32)", "initializers: Conv2D, by default*"),
    function("fan-in and fan-out exchanged", initializers, "fans",
             after(lambda fans, shape: fans[::-1]), "initializers: He*, dense *",
             "initializers: Lecun*, dense *", "initializers: VarianceScaling, fan_in, *"),
    function("a truncated normal that is not widened", initializers, "_TRUNCATED_STDDEV",
             lambda _: 1.0, "initializers: *Normal, dense *",
             "initializers: VarianceScaling, defaults"),
    function("a truncated normal that keeps its tails", initializers.TruncatedNormal, "__call__",
             lambda _: initializers.RandomNormal.__call__, "initializers: TruncatedNormal, de*"),
    function("a uniform bound of one deviation", initializers.RandomUniform, "__call__",
             after(lambda values, *_: values / math.sqrt(3)), "initializers: *Uniform, dense *",
             "initializers: Dense, by default"),
    default("He's normal by default", initializers.VarianceScaling, "scale", 2.0,
            "initializers: VarianceScaling, defaults"),
    function("a seed that is ignored", initializers.RandomNormal, "__call__",
             during("seed", lambda seed: None), "initializers: RandomNormal, seeds"),
]  # fmt: skip

PLANTS = [*UPDATES, *SCHEDULES, *INITIALIZERS]
