"""How far apart the two libraries may be, and why: the only place where that is decided.

Errors are relative to the largest value of a tensor. One float32 rounding is 6e-8 of a
number, one float64 rounding 1.1e-16; what follows counts how many of them a computation
may pile up. A tolerance is never made wider because a row is red.
"""

from __future__ import annotations

from typing import NamedTuple


class Tolerance(NamedTuple):
    """Largest relative error that passes, in each dtype, and the reason for it."""

    float32: float
    float64: float
    reason: str

    def of(self, dtype: str) -> float:
        """That of one dtype."""
        return self.float32 if dtype == "float32" else self.float64


SINGLE = Tolerance(
    1e-5,
    1e-12,
    "One layer, loss or step: sums of at most a few hundred products in another order, which "
    "costs a few dozen roundings, and differences that lose another digit.",
)

FLOAT32_CONSTANT = Tolerance(
    1e-5,
    6e-8,
    "TensorFlow keeps a constant of this formula (the slope 0.2 of leaky_relu, the roots in gelu) "
    "in float32 also where it computes in float64, which costs one float32 rounding, 2^-24. With "
    "an exact constant the same formula has a row within SINGLE.",
)

ADAM = Tolerance(
    2e-5,
    1e-12,
    "Keras computes Adam's 1 - beta_2^t from the float32 0.999, whose rounding is 1.3e-5 of the "
    "difference 0.001; the square root halves that. tinyconv computes it in float64.",
)

SAMPLED = Tolerance(
    2e-2,
    2e-2,
    "Random values have no rounding to compare, but a distribution: the mean, the deviation and "
    "the deciles of 100,000 of them are known to 0.5 % (one standard error), the difference of "
    "two samples to 0.7 %, and three of these are allowed. Bounds of uniform values are as exact.",
)

STEP = Tolerance(
    2e-5,
    1e-11,
    "A whole network, forward and backward: as SINGLE, ten layers deep.",
)

PROBABILITIES = Tolerance(
    1e-5,
    1e-11,
    "What a pretrained network says in the end: half of what its features may differ by, because "
    "a softmax does not magnify.",
)

TRAJECTORY = Tolerance(
    5e-2,
    1e-9,
    "The way of every weight in fifty steps. Of the CNN's 7 million activations a few lie within "
    "a float32 rounding of the kink of a ReLU or of another maximum, and send their gradient in "
    "one library and not in the other: a fiftieth of the way of that unit, 2e-2, and it may "
    "happen twice. So does tf.keras in float32 beside tf.keras in float64; which activations it "
    "is depends on the machine. In float64 it does not happen, and there the proof lies.",
)

TRAJECTORY_LOSSES = Tolerance(
    5e-4,
    1e-9,
    "The losses of fifty steps: such a unit is one of a hundred, and matters in the last few.",
)

NETWORK = Tolerance(
    2e-5,
    1e-11,
    "A network drawn at random, whose gradients may cancel: relative to values of at least 1e-2, "
    "where the terms they are summed from are about 1.",
)

FULL_SIZE = Tolerance(
    2.5e-1,
    1e-11,
    "A step of a network for photographs. Of its millions of activations one or two a layer lie "
    "within a float32 rounding of the kink of a ReLU or of another maximum of their window, and "
    "send their gradient in one library and not in the other. That is one term of the few hundred "
    "that an element of a gradient is summed from, and those are mostly zero: of ResNet-50's "
    "kernels tf.keras in float32 is up to 1.2e-1 from tf.keras in float64, tinyconv up to 7.5e-2, "
    "and the two may add up. In float64 it does not happen, and there the proof lies.",
)
