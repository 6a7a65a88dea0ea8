"""BatchNormalization in inference, folded into the convolution (or Dense) before it.

    y = gamma * (x * kernel + bias - mean) / s + beta        s = sqrt(variance + epsilon)
      = x * (kernel * g) + (bias - mean) * g + beta          g = gamma / s

One pass over the image less, and the activation behind it in the same pass as the bias.
Weights may be written by anyone at any time (the optimizer, `set_weights`, a view). A folded
kernel is used again where the backend tells by a fingerprint that none of them has changed;
else it is made anew for every call. Either reads the kernel, so it is done where that is less
work than what it saves: where the kernel has fewer numbers than the output.

`tinyconv.config.set_batch_norm_folding(False)` switches it off.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3.2.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape


class Kept(NamedTuple):
    """A folded kernel and bias, and what tells the weights that they were made of."""

    made_of: tuple[Any, ...]
    kernel: Array
    bias: Array


def pays(affine: Any, shape: Shape) -> bool:
    """Whether the kernel has fewer numbers than the output for an input of this shape."""
    size: int = affine.params["kernel"].size
    return size <= math.prod(affine.compute_output_shape(shape))


def fold(affine: Any, norm: Any) -> tuple[Array, Array]:
    """Kernel and bias of a Conv2D or Dense that does the work of the two."""
    kernel, wide = affine.params["kernel"], "float64"
    gamma, beta = (each.astype(wide) for each in norm.gamma_beta())
    mean, variance = (norm.state[f"moving_{key}"].astype(wide) for key in ("mean", "variance"))
    bias = affine.params["bias"] if affine.use_bias else 0
    g = gamma / get_backend().xp.sqrt(variance + norm.epsilon)
    return kernel * g.astype(kernel.dtype), ((bias - mean) * g + beta).astype(kernel.dtype)


def kept(affine: Any, norm: Any, before: Kept | None) -> Kept | None:
    """What was folded `before`, or anew if a weight is another one; None if none can tell."""
    backend = get_backend()
    print_ = backend.fingerprint(affine.params["kernel"])
    if print_ is None:
        return None
    few = (affine.params.get("bias"), *norm.params.values(), *norm.state.values())
    made_of = (
        backend.name,
        norm.epsilon,
        print_,
        *(None if each is None else each.tobytes() for each in few),
    )
    if before is not None and before.made_of == made_of:
        return before
    return Kept(made_of, *fold(affine, norm))
