"""BatchNormalization: in training, in inference, frozen, and what it remembers."""

from __future__ import annotations

from typing import Any

from parity.case import Case
from parity.cases.layer import layer_case

_IMAGES, _VECTORS = (4, 5, 6, 3), (8, 5)


def norm(name: str, shape: tuple[int, ...] = _IMAGES, values: str = "normal", /,
         **arguments: Any) -> Case:  # fmt: skip
    """BatchNormalization with drawn weights and statistics."""
    return layer_case("BatchNormalization", name, shape, values, **arguments)


def cases() -> list[Case]:
    """All of them."""
    return [*_modes(), *_arguments(), *_inputs()]


def _modes() -> list[Case]:
    return [
        norm("training"),
        norm("inference", training=False),
        norm("frozen, in training", trainable=False),
        norm("frozen, in inference", training=False, trainable=False),
        norm("training, 5 steps", steps=5),
        norm("training, 20 steps from the start", steps=20, random_weights=False),
        norm("frozen, 5 steps", steps=5, trainable=False),
        norm("inference, 5 steps", steps=5, training=False),
    ]


def _arguments() -> list[Case]:
    drawn: dict[str, Any] = {"random_weights": False, "steps": 2}
    return [
        norm("momentum 0.9, 3 steps", momentum=0.9, steps=3),
        norm("momentum 0", momentum=0.0, steps=2),
        norm("momentum 1", momentum=1.0, steps=2),
        norm("epsilon 1e-5", epsilon=1e-5),
        norm("epsilon 0.1", epsilon=0.1),
        norm("epsilon 0.1, inference", epsilon=0.1, training=False),
        norm("center=False", center=False),
        norm("scale=False", scale=False),
        norm("neither center nor scale", center=False, scale=False),
        norm("center=False, inference", center=False, training=False),
        norm("scale=False, frozen", scale=False, trainable=False),
        norm("axis as a number", axis=3),
        norm("beta and gamma initialized", beta_initializer="ones",
             gamma_initializer={"class_name": "Constant", "config": {"value": 0.5}}, **drawn),
        norm("statistics initialized", moving_mean_initializer="ones",
             moving_variance_initializer={"class_name": "Constant", "config": {"value": 4.0}},
             **drawn),
    ]  # fmt: skip


def _inputs() -> list[Case]:
    # Two samples are always normalized to about -1 and 1, so that dx, which only epsilon keeps
    # from 0, is what is left of terms near 1; of a single pixel nothing is left at all.
    cancels = {"scales": {"dx": 1.0}}
    # Here x - mean is a rounding of 0.75, times 1 / sqrt(epsilon) = 32.
    constant = {"scales": {"gamma": 24.0}}
    # Sums of 1024 and 16384 random terms near 1 are as large as the root of their number, but
    # for luck; TensorFlow takes them as sum(dy x) - mean sum(dy), half of which cancels.
    sums = {"scales": {"gamma": 32.0, "beta": 32.0}}
    more = {"scales": {"gamma": 128.0, "beta": 128.0}, "quick": False}
    return [
        norm("vectors", _VECTORS),
        norm("vectors, inference", _VECTORS, training=False),
        norm("3-D", (4, 6, 5)),
        norm("two samples", (2, 5), case=cancels),
        norm("one sample of one pixel", (1, 1, 1, 3), case=cancels),
        norm("one channel", (4, 5, 5, 1)),
        norm("as after a ReLU", _IMAGES, "sparse"),
        norm("constant input", _IMAGES, "constant", case=constant),
        norm("many equal values", _IMAGES, "ties"),
        norm("pixels", (16, 8, 8, 3), "pixels", case=sums),
        norm("pixels, 16384 a channel", (64, 16, 16, 8), "pixels", case=more),
    ]
