"""Fifty steps of training: every loss, and all weights at the end.

Whatever is only nearly right in a step adds up here: a bias correction that is off by one, a
rate that a schedule changes a step late, statistics that drift.

What is compared is the way that the weights have travelled, not the weights, which would hide
it. The rates are small because a larger one turns the last digit into another trajectory: the
libraries would agree no less in each step, but fifty chaotic steps could not show it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import Case, Results
from parity.cases.network import CNN, DENSE, NORMALIZED, Described, Network, make
from parity.data import Array, draw, generator
from parity.sides.base import Batch, Side
from parity.tolerances import TRAJECTORY, TRAJECTORY_LOSSES

STEPS = 50
_BATCH = 4
_BATCHES = 10  # different ones; the network sees each of them five times

SPARSE: Described = ("SparseCategoricalCrossentropy", {})
BINARY: Described = ("BinaryCrossentropy", {})
NETWORKS: dict[str, tuple[Network, Described, int]] = {
    "dense": (DENSE, SPARSE, 10),
    "CNN": (CNN, SPARSE, 10),
    "conv, BatchNormalization, sigmoid": (NORMALIZED, BINARY, 2),
}
# A bias before BatchNormalization has no gradient but the rounding of one, for the mean that is
# subtracted takes it away again. It is measured by the way of the weights beside it.
_NO_GRADIENT = {"conv, BatchNormalization, sigmoid": {"l0/bias": 1e-2, "l4/bias": 1e-2}}
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {"learning_rate": 0.005}),
    "momentum": ("SGD", {"learning_rate": 0.001, "momentum": 0.9}),
    "Nesterov": ("SGD", {"learning_rate": 0.001, "momentum": 0.9, "nesterov": True}),
    "RMSprop": ("RMSprop", {"learning_rate": 0.0001}),
    "Adam": ("Adam", {"learning_rate": 0.0001}),
    "AdamW": ("AdamW", {"learning_rate": 0.0001, "weight_decay": 0.004}),
}


def batches(shape: tuple[int, ...], classes: int, dtype: str) -> list[Batch]:
    """Images of pixels with random labels."""
    source = generator("trajectory labels", classes)
    found = [
        Batch(
            draw("pixels", (_BATCH, *shape), place).astype(dtype),
            source.integers(0, classes, _BATCH),
        )
        for place in range(_BATCHES)
    ]
    return [found[step % _BATCHES] for step in range(STEPS)]


def start(model: Any, dtype: str) -> list[Array]:
    """Kernels drawn, everything else as initialized: the same on both sides. Returns them."""
    weights: list[Array] = []
    for place, (weight, values) in enumerate(zip(model.weights, model.get_weights(), strict=True)):
        if weight.name == "kernel":
            source = generator("start", place, values.shape)
            scale = np.sqrt(1.5 / np.prod(values.shape[:-1]))
            values = (scale * source.standard_normal(values.shape)).astype(dtype)
        weights.append(values)
    model.set_weights(weights)
    return weights


def trajectory(network: str, optimizer: str, variant: str = "", quick: bool = False) -> Case:
    """One network under one optimizer; the variants are clipnorm and schedule."""
    described, loss, classes = NETWORKS[network]
    cls, arguments = OPTIMIZERS[optimizer]
    if variant == "clipnorm":
        arguments = {**arguments, "clipnorm": 0.1}

    def measure(side: Side, dtype: str) -> Results:
        library, given = side.library.optimizers, dict(arguments)
        if variant == "schedule":
            rate = given["learning_rate"]
            given["learning_rate"] = library.schedules.CosineDecay(
                rate / 10, 40, alpha=0.1, warmup_target=rate, warmup_steps=5
            )
        model = described.build(side, dtype, random_weights=False)
        started = start(model, dtype)
        side.compile(model, getattr(library, cls)(**given), make(side, "losses", loss))
        results = side.train(model, batches(described.shape, classes, dtype))
        losses = {"losses": results.pop("losses")}
        ways = {name: w - s for (name, w), s in zip(results.items(), started, strict=True)}
        return {**losses, **ways}

    name = ", ".join(filter(None, (network, optimizer, variant)))
    uses = (*described.layers, (cls, arguments), loss)
    return Case(
        "trajectories", name, measure, uses, quick=quick, tolerance=TRAJECTORY,
        tolerances={"losses": TRAJECTORY_LOSSES}, scales=_NO_GRADIENT.get(network, {}),
    )  # fmt: skip


def cases() -> list[Case]:
    """Every network under every optimizer, plain, with clipnorm and with a schedule."""
    # The quick set takes each network and each optimizer, but not every pair of them.
    quick = {
        ("dense", "SGD", ""),
        ("dense", "RMSprop", "schedule"),
        ("dense", "AdamW", "clipnorm"),
        ("CNN", "Adam", ""),
        ("conv, BatchNormalization, sigmoid", "Nesterov", ""),
        ("conv, BatchNormalization, sigmoid", "momentum", "clipnorm"),
    }
    return [
        trajectory(network, optimizer, variant, (network, optimizer, variant) in quick)
        for network in NETWORKS
        for optimizer in OPTIMIZERS
        for variant in ("", "clipnorm", "schedule")
    ]
