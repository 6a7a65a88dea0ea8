"""Blocks as what they are: one operation after the other. The specification of fast ones.

    conv_block         conv2d -> activate -> max_pool
    conv_add     conv2d -> + -> activate
    dense_block        matmul -> activate
    batch_norm_block   batch_norm (or normalize) -> activate
    add_block          + -> activate

and backward the same in reverse. Nothing is gained here but names: a backend that
overrides a block and falls back to this for what it does not fuse gets the same numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tinyconv.backends.base import LINEAR, Activation, Array, Backend
from tinyconv.geometry import Window


class Activated(NamedTuple):
    """What `activate_backward` needs: what `activate` saved, of which function, with a bias?"""

    saved: Array
    activation: Activation
    with_bias: bool


class Convolved(NamedTuple):
    """What a convolution block keeps; `pool` and `argmax` are None where nothing is pooled."""

    window: Window
    groups: int
    activated: Activated
    pool: Window | None
    argmax: Array | None


class Normalized(NamedTuple):
    """What a normalisation block keeps; `by_batch`: the statistics are the batch's own."""

    mean: Array
    variance: Array
    by_batch: bool
    epsilon: float
    activated: Activated


class Fused(Backend):
    def conv_block(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        activation: Activation,
        pool: Window | None,
        keep: bool,
    ) -> tuple[Array, Any]:
        """z = conv2d(x, kernel),  a = f(z + bias),  y = max_pool(a)."""
        z = self.conv2d(x, kernel, window, groups)
        y, saved = self.activate(z, bias, activation, overwrite=True)
        argmax = None
        if pool is not None:
            y, argmax = self.max_pool(y, pool)
        activated = Activated(saved, activation, bias is not None)
        return y, Convolved(window, groups, activated, pool, argmax) if keep else None

    def conv_add(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        other: Array,
        window: Window,
        groups: int,
        activation: Activation,
    ) -> Array:
        """z = conv2d(x, kernel) + bias,  y = f(z + other)."""
        z, _ = self.conv_block(x, kernel, bias, window, groups, LINEAR, None, False)
        return self.add_block(z, other, activation, False)[0]

    def conv_block_backward(
        self, dy: Array, saved: Any, x: Array, kernel: Array, need_dx: bool, need_parameters: bool
    ) -> tuple[Array | None, Array | None, Array | None]:
        """dy -> da through the pool, da -> dz through f, dz -> dkernel, dx."""
        window, groups, activated, pool, argmax = saved
        if pool is not None and argmax is not None:
            dy = self.max_pool_backward(dy, argmax, pool)
        dz, dbias = self._slopes(dy, activated, need_parameters)
        dkernel = self.conv2d_kernel_gradient(x, dz, window, groups) if need_parameters else None
        dx = self.conv2d_input_gradient(dz, kernel, window, groups) if need_dx else None
        return dx, dkernel, dbias

    def _slopes(
        self, dy: Array, activated: Activated, need_dbias: bool
    ) -> tuple[Array, Array | None]:
        """dy -> dz, and dbias where there is a bias and somebody needs it."""
        saved, activation, with_bias = activated
        return self.activate_backward(dy, saved, activation, with_bias and need_dbias)

    def dense_block(
        self, x: Array, kernel: Array, bias: Array | None, activation: Activation, keep: bool
    ) -> tuple[Array, Any]:
        """z = x @ kernel,  y = f(z + bias)."""
        y, saved = self.activate(self.matmul(x, kernel), bias, activation, overwrite=True)
        return y, Activated(saved, activation, bias is not None) if keep else None

    def dense_block_backward(
        self, dy: Array, saved: Any, x: Array, kernel: Array, need_dx: bool, need_parameters: bool,
        out: Array | None = None,
    ) -> tuple[Array | None, Array | None, Array | None]:  # fmt: skip
        """dz = dy * f'(z + bias),  dkernel = x^T @ dz,  dx = dz @ kernel^T."""
        dz, dbias = self._slopes(dy, saved, need_parameters)
        dkernel = self.matmul(x.T, dz, out) if need_parameters else None
        return self.matmul(dz, kernel.T) if need_dx else None, dkernel, dbias

    def batch_norm_block(
        self,
        x: Array,
        gamma: Array,
        beta: Array,
        statistics: tuple[Array, Array] | None,
        epsilon: float,
        activation: Activation,
        keep: bool,
    ) -> tuple[Array, Array, Array, Any]:
        """y = f(gamma * x^ + beta)."""
        if statistics is None:
            z, mean, variance = self.batch_norm(x, gamma, beta, epsilon)
        else:
            mean, variance = (each.copy() for each in statistics)  # results are nobody else's
            z = self.normalize(x, gamma, beta, mean, variance, epsilon)
        y, kept = self.activate(z, None, activation, overwrite=True)
        if not keep:
            return y, mean, variance, None
        activated = Activated(kept, activation, False)
        return y, mean, variance, Normalized(mean, variance, statistics is None, epsilon, activated)

    def batch_norm_block_backward(
        self, dy: Array, saved: Any, x: Array, gamma: Array, need_parameters: bool
    ) -> tuple[Array, Array | None, Array | None]:
        """dy -> dz through f, dz -> dx, dgamma, dbeta.

        With constant statistics y is linear in x, and dx alone is that map without its shift.
        """
        mean, variance, by_batch, epsilon, activated = saved
        dz, _ = self.activate_backward(dy, *activated)
        if not (by_batch or need_parameters):
            zero = self.xp.zeros_like(gamma)
            return self.normalize(dz, gamma, zero, zero, variance, epsilon), None, None
        backward = self.batch_norm_backward if by_batch else self.normalize_backward
        dx, dgamma, dbeta = backward(dz, x, gamma, mean, variance, epsilon)
        return (dx, dgamma, dbeta) if need_parameters else (dx, None, None)

    def add_block(
        self, a: Array, b: Array, activation: Activation, keep: bool
    ) -> tuple[Array, Any]:
        """y = f(a + b)."""
        y, saved = self.activate(a + b, None, activation, overwrite=True)
        return y, Activated(saved, activation, False) if keep else None

    def add_block_backward(self, dy: Array, saved: Any) -> Array:
        """dz = dy f'(a + b)."""
        return self.activate_backward(dy, saved.saved, saved.activation, False)[0]
