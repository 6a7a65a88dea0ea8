"""What a plan is made of: calls of layers that are computed as one piece of work.

    block       layers                                             operation of the backend
    Alone       any one                                            its own forward, backward
    Affine      Conv2D (+ Activation) (+ MaxPooling2D)             conv_block
                Dense (+ Activation)                               dense_block
    Normalized  BatchNormalization + Activation                    batch_norm_block
    Summed      Add + Activation                                   add_block

Those of passes that keep nothing are in inference_blocks.py.

Each computes what its layers would one after the other. Like a layer's, a block's cache is
a value; a block keeps nothing between calls, so several threads may run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tinyconv.backends import get_backend
from tinyconv.backends.base import LINEAR, Activation, Array
from tinyconv.geometry import Window
from tinyconv.layers import Conv2D
from tinyconv.layers.base import Cache, Gradients, Layer
from tinyconv.layers.merging import sum_to

Places = dict[str, Array]  # where gradients are wanted, by the path of their variable


class Call(NamedTuple):
    """One layer in a block.

    Attributes:
        layer: that is called.
        path: of the layer, for the names of gradients.
        training: its mode.
        bare: whether it leaves its activation to the loss.
    """

    layer: Any
    path: str
    training: bool
    bare: bool

    def function(self) -> Activation:
        """The activation that the layer applies in this call."""
        activation: Activation = LINEAR if self.bare else self.layer.activation
        return activation


class Kept(NamedTuple):
    """The cache of a block: `saved` is understood by the backend that made it.

    Attributes:
        shape: of the output, and of the slope that comes back.
    """

    backend: Any
    x: Array
    saved: Any
    shape: tuple[int, ...]


class Block:
    """Base of the blocks.

    Args:
        calls: its layers, each taking what the one before it gives.
        keep: whether the way back passes here, so that `forward` returns a cache.
        need_dx: whether somebody below wants the slope of the input.
        need_parameters: whether somebody wants the gradients of its layers' parameters.
    """

    operation = ""  # of the backend, for `describe`

    def __init__(
        self, calls: Sequence[Call], keep: bool, need_dx: bool, need_parameters: bool
    ) -> None:
        self.calls, self.keep = list(calls), keep
        self.need_dx, self.need_parameters = need_dx, need_parameters

    def forward(self, x: Any) -> tuple[Any, Any]:
        """x -> (y, cache, or None where nothing is kept)."""
        raise NotImplementedError

    def backward(self, dy: Any, cache: Any, into: Places) -> tuple[Any, Gradients]:
        """dy -> (dx, or None where nobody wants it; gradients by the path of their variable).

        A gradient may be written where `into` says, by its path; the place is then used up.
        """
        raise NotImplementedError

    def zero_gradients(self) -> Gradients:
        """Of parameters that the loss does not depend on."""
        if not self.need_parameters:
            return {}
        return {
            f"{call.path}/{key}": zeros
            for call in self.calls
            for key, zeros in call.layer.zero_gradients().items()
        }


class Alone(Block):
    """A layer by itself."""

    def forward(self, x: Any) -> tuple[Any, Cache | None]:
        """The layer's own."""
        layer, _, training, bare = self.calls[0]
        if bare:
            y, cache = layer.forward_logits(x, training)
        elif self.keep:
            y, cache = layer.forward(x, training)
        else:
            return layer.compute(x, training), None
        return y, cache if self.keep else None

    def backward(self, dy: Any, cache: Cache, into: Places) -> tuple[Any, Gradients]:
        """The layer's own; its parameters alone where nobody wants dx, dx alone if frozen."""
        layer, path, _, _ = self.calls[0]
        if not self.need_parameters:
            return layer.backward_input(dy, cache), {}
        if self.need_dx:
            dx, own = layer.backward(dy, cache)
        else:
            dx, own = None, layer.backward_parameters(dy, cache)
        return dx, {f"{path}/{key}": gradient for key, gradient in own.items()}


class Affine(Block):
    """A convolution or a dense layer, with the activation and the pooling behind it."""

    def __init__(
        self,
        calls: Sequence[Call],
        keep: bool,
        need_dx: bool,
        need_parameters: bool,
        pool: Layer | None,
    ) -> None:
        super().__init__(calls, keep, need_dx, need_parameters)
        self.layer, self.pool = self.calls[0].layer, pool
        self.activated = self.calls[-1 if pool is None else -2]
        self.convolves = isinstance(self.layer, Conv2D)
        self.operation = "conv_block" if self.convolves else "dense_block"

    def forward(self, x: Any) -> tuple[Array, Kept | None]:
        """activation(x * kernel + bias), pooled; or activation(x @ kernel + bias)."""
        x = self.layer.prepare(x)
        return self.compute(x, *self.kernel_and_bias(x))

    def kernel_and_bias(self, x: Array) -> tuple[Array, Array | None]:
        """The layer's own."""
        return self.layer.params["kernel"], self.layer.params.get("bias")

    def compute(self, x: Array, kernel: Array, bias: Array | None) -> tuple[Array, Kept | None]:
        """The same for any kernel and bias of these shapes."""
        backend, layer, function = get_backend(), self.layer, self.activated.function()
        if self.convolves:
            window = layer.window(x.shape)
            pooled = self._pool_window(x, window, kernel)
            y, saved = backend.conv_block(
                x, kernel, bias, window, layer.groups, function, pooled, self.keep
            )
        else:
            rows = x.reshape(-1, x.shape[-1])
            y, saved = backend.dense_block(rows, kernel, bias, function, self.keep)
            y = y.reshape(*x.shape[:-1], -1)
        return y, Kept(backend, x, saved, y.shape) if self.keep else None

    def _pool_window(self, x: Array, window: Window, kernel: Array) -> Window | None:
        if self.pool is None:
            return None
        made: Window = self.pool.window((len(x), *window.output, kernel.shape[-1]))  # type: ignore[attr-defined]
        return made

    def backward(self, dy: Any, cache: Kept, into: Places) -> tuple[Any, Gradients]:
        """Through the pool and the activation, then what is wanted of dkernel, dbias and dx."""
        backend, x, saved, shape = cache
        dy, kernel = self.calls[-1].layer.check_slope(dy, shape), self.layer.params["kernel"]
        needs, path = (self.need_dx, self.need_parameters), self.calls[0].path
        if self.convolves:
            dx, dkernel, dbias = backend.conv_block_backward(dy, saved, x, kernel, *needs)
        else:
            dy, rows = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
            out = into.pop(f"{path}/kernel", None)
            dx, dkernel, dbias = backend.dense_block_backward(dy, saved, rows, kernel, *needs, out)
            dx = None if dx is None else dx.reshape(x.shape)
        grads = {"kernel": dkernel, "bias": dbias}
        return dx, {f"{path}/{key}": each for key, each in grads.items() if each is not None}


class Normalized(Block):
    """Batch normalisation with the activation behind it."""

    operation = "batch_norm_block"

    def forward(self, x: Any) -> tuple[Array, Kept | None]:
        """activation(gamma * x^ + beta); in training the moving statistics follow."""
        backend, norm = get_backend(), self.calls[0].layer
        x, (gamma, beta) = norm.prepare(x), norm.gamma_beta()
        by_batch = not norm.constant(self.calls[0].training)
        given = None if by_batch else (norm.state["moving_mean"], norm.state["moving_variance"])
        function = self.calls[1].function()
        y, mean, variance, saved = backend.batch_norm_block(
            x, gamma, beta, given, norm.epsilon, function, self.keep
        )
        if by_batch:
            norm.follow(mean, variance)
        return y, Kept(backend, x, saved, y.shape) if self.keep else None

    def backward(self, dy: Any, cache: Kept, into: Places) -> tuple[Any, Gradients]:
        """Through the activation, then dx, dgamma and dbeta."""
        (norm, path, _, _), (backend, x, saved, shape) = self.calls[0], cache
        dy, (gamma, _) = self.calls[-1].layer.check_slope(dy, shape), norm.gamma_beta()
        need = self.need_parameters
        dx, dgamma, dbeta = backend.batch_norm_block_backward(dy, saved, x, gamma, need)
        grads = {"gamma": dgamma, "beta": dbeta}
        return dx, {f"{path}/{key}": grads[key] for key in norm.params if need}


class KeptSum(NamedTuple):
    """The cache of a sum: as Kept, with the shapes of the inputs in place of their values."""

    backend: Any
    shapes: list[tuple[int, ...]]
    saved: Any
    shape: tuple[int, ...]


class Summed(Block):
    """The sum of branches with the activation behind it."""

    operation = "add_block"

    def forward(self, x: Any) -> tuple[Array, KeptSum | None]:
        """activation(x_1 + ... + x_n), at least two."""
        backend, inputs = get_backend(), self.calls[0].layer.prepare(x)
        total, *others, last = inputs
        for each in others:
            total, _ = backend.add_block(total, each, LINEAR, False)
        y, saved = backend.add_block(total, last, self.calls[1].function(), self.keep)
        shapes = [each.shape for each in inputs]
        return y, KeptSum(backend, shapes, saved, y.shape) if self.keep else None

    def backward(self, dy: Any, cache: KeptSum, into: Places) -> tuple[Any, Gradients]:
        """Through the activation; then as Add, to every branch."""
        dy = self.calls[-1].layer.check_slope(dy, cache.shape)
        dz = cache.backend.add_block_backward(dy, cache.saved)
        return [sum_to(dz, shape) for shape in cache.shapes], {}
