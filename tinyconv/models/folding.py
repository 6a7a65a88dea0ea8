"""BatchNormalization in inference, folded into the convolution (or Dense) before it.

    y = gamma * (x * kernel + bias - mean) / s + beta        s = sqrt(variance + epsilon)
      = x * (kernel * g) + (bias - mean) * g + beta          g = gamma / s

One pass over the image less, and the activation behind it in the same pass as the bias.
Kernels are folded for every call and kept nowhere: weights may be written by anyone at any
time (the optimizer, `set_weights`, a view), and to find that out by comparing them costs as
much as the product kernel * g. So it is done where that is less work than what it saves:
where the kernel has fewer numbers than the output.

`tinyconv.config.set_batch_norm_folding(False)` switches it off.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3.2.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from tinyconv.backends import get_backend
from tinyconv.backends.base import LINEAR, Array
from tinyconv.layers import Activation, BatchNormalization, Conv2D, Dense, ReLU


class Fold(NamedTuple):
    """Steps that follow each other, by number, whose results between them nobody else takes.

    Attributes:
        affine: of a Conv2D or Dense.
        norm: of the BatchNormalization behind it.
        activation: of the Activation behind that, if there is one.
    """

    affine: int
    norm: int
    activation: int | None


def find_folds(steps: Sequence[Any], outputs: Sequence[int]) -> dict[int, Fold]:
    """What may be folded, by the number of its first step.

    Only these very classes: one derived from them may compute something else.
    """
    uses = Counter([*outputs, *(slot for step in steps for slot in step.sources)])
    takers = {slot: number for number, step in enumerate(steps) for slot in step.sources}

    def next_of(number: int, *classes: type) -> int | None:
        slot = steps[number].targets[0]
        taker = takers.get(slot) if uses[slot] == 1 else None
        return taker if taker is not None and type(steps[taker].layer) in classes else None

    folds = {}
    for number, step in enumerate(steps):
        norm = next_of(number, BatchNormalization)
        if type(step.layer) in (Conv2D, Dense) and norm is not None:
            folds[number] = Fold(number, norm, next_of(norm, Activation, ReLU))
    return folds


def compute(affine: Any, norm: Any, activation: Any, x: Any) -> Array | None:
    """y of the three (the last may be None) in inference.

    None if they cannot be folded, or if that would be more work.
    """
    layers = [affine, norm] if activation is None else [affine, norm, activation]
    if affine.activation != LINEAR or len({layer.dtype for layer in layers}) > 1:
        return None
    x, kernel = affine.prepare(x), affine.params["kernel"]
    if kernel.size > math.prod(affine.compute_output_shape(x.shape)):
        return None
    backend, wide = get_backend(), "float64"
    gamma, beta = (each.astype(wide) for each in norm.gamma_beta())
    mean, variance = (norm.state[f"moving_{key}"].astype(wide) for key in ("mean", "variance"))
    bias = affine.params["bias"] if affine.use_bias else 0
    g = gamma / backend.xp.sqrt(variance + norm.epsilon)
    shift = ((bias - mean) * g + beta).astype(kernel.dtype)
    z = affine.product(x, kernel * g.astype(kernel.dtype))
    function = LINEAR if activation is None else activation.activation
    return backend.activate(z, shift, function, overwrite=True)[0]
