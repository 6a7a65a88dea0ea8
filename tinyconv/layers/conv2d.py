"""The convolution layer."""

from __future__ import annotations

from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import Activation, Array
from tinyconv.geometry import Shape, integer
from tinyconv.layers.affine import Affine
from tinyconv.layers.base import Cache, Gradients
from tinyconv.layers.windowed import Windowed


class Conv2D(Windowed, Affine):
    """y = activation(x * kernel + bias), where * slides the kernel over the image.

    x (N, H, W, C) -> y (N, OH, OW, filters), kernel (KH, KW, C // groups, filters),
    bias (filters,). Like all frameworks it does not flip the kernel (cross-correlation).

    Args:
        filters: number of output channels.
        kernel_size: int or pair, (KH, KW) in taps.
        strides: int or pair, pixels from one window to the next.
        padding: "valid" (windows stay inside) or "same" (zeros around, OH = ceil(H / stride)).
        data_format: only "channels_last", NHWC, is supported.
        dilation_rate: int or pair, pixels between neighbouring taps.
        groups: cuts channels and filters into as many slices that see only each other.
        activation: a name, a function of `tinyconv.nn`, or None.
        use_bias, kernel_initializer, ...: see `Affine`; name, dtype, ...: see `Layer`.

    Raises:
        ValueError: for sizes that are not positive, an unknown name, filters or channels
            that `groups` does not divide, or a kernel larger than its valid input.
    """

    config_keys = (
        "filters", "kernel_size", "strides", "padding", "dilation_rate", "groups",
        *Affine.affine_keys,
    )  # fmt: skip

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        **affine: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate,
            activation=activation, **affine,
        )  # fmt: skip
        self.kernel_size = self.size
        self.filters = integer(filters, "filters", self)
        self.groups = integer(groups, "groups", self)
        if self.filters % self.groups:
            raise ValueError(
                f"{self!r}: filters must be a multiple of groups. "
                f"Received: filters={filters}, groups={groups}"
            )

    def build(self, input_shape: Shape) -> None:
        """kernel (KH, KW, C // groups, filters), bias (filters,)."""
        channels = input_shape[-1]
        if channels is None or channels % self.groups:
            raise ValueError(
                f"{self!r}: the number of channels must be known and a multiple of "
                f"groups={self.groups}. Received: shape {tuple(input_shape)}"
            )
        self.channels = channels
        self.add_kernel_and_bias((*self.kernel_size, channels // self.groups, self.filters))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, OH, OW, filters)."""
        return (*super().compute_output_shape(input_shape)[:3], self.filters)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """z[n,i,j,f] = sum over k,l,c of xp[n, i*SH+k*DH, j*SW+l*DW, c] * kernel[k,l,c,f]

        with xp the image and its zero padding;  y = activation(z + bias).
        """
        return self._forward(x, self.activation)

    def product(self, x: Array, kernel: Array) -> Array:
        """z for a kernel of this layer's shape."""
        return get_backend().conv2d(x, kernel, self.window(x.shape), self.groups)

    def _forward(self, x: Array, activation: Activation) -> tuple[Array, Cache]:
        x = self.prepare(x)
        y, saved = self._activate(self.product(x, self.params["kernel"]), activation)
        window = self.window(x.shape)
        return y, Cache(self, y.shape, x=x, saved=saved, window=window, activation=activation)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx, dz, dkernel and dbias: see below."""
        dz, grads = self._backward_parameters(dy, cache)
        return self._backward_input(dz, cache), grads

    def _backward_input(self, dz: Array, cache: Cache) -> Array:
        """dx[n,h,w,c] = sum of dz[n,i,j,f] * kernel[k,l,c,f] over every tap that saw the pixel:

        over f and all (i, k) with i*SH + k*DH = h, (j, l) with j*SW + l*DW = w, counted in
        the padded image.
        """
        kernel = self.params["kernel"]
        return get_backend().conv2d_input_gradient(dz, kernel, cache.window, self.groups)

    def _backward_parameters(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dkernel[k,l,c,f] = sum over n,i,j of xp[n, i*SH+k*DH, j*SW+l*DW, c] * dz[n,i,j,f]

        with dz = dy * activation'(z + bias),  and dbias[f] = sum over n,i,j of dz[n,i,j,f].
        """
        dz, grads = self._activate_backward(dy, cache)
        dkernel = get_backend().conv2d_kernel_gradient(cache.x, dz, cache.window, self.groups)
        return dz, {"kernel": dkernel, **grads}
