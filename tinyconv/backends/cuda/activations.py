"""Activations on the device: bias and function in one pass, and back.

relu and its bias' gradient, which most layers have, go back in one pass too; the other
functions in two.
"""

from __future__ import annotations

from tinyconv.backends.base import NEED_INPUT, Activation, Array
from tinyconv.backends.cuda.base import OnDevice

_BLOCK = 256  # threads, as channel_sums.cu has it
_NARROW = 32  # numbers of a row that one thread takes by itself
_ROWS = 64  # a share of the rows is at least so many, for each thread that adds them


class Activations(OnDevice):
    def activate(
        self, z: Array, bias: Array | None, activation: Activation, overwrite: bool = False
    ) -> tuple[Array, Array]:
        """y = f(z + bias), in the memory of z where that is allowed."""
        xp, (name, *numbers) = self.device.xp, activation
        if name == "linear" and bias is None:
            return z, z
        mine = overwrite or not z.flags.c_contiguous  # the memory may be written
        bias = None if bias is None else xp.ascontiguousarray(bias)
        z, C = xp.ascontiguousarray(z), z.shape[-1]
        if name == "softmax":
            y = z if mine else xp.empty_like(z)
            self._rows("softmax", z, bias, y)
            return y, y
        # What backward needs is y, in the memory of z, or z + bias, with y beside it.
        keeps_input = name in NEED_INPUT
        y = z if mine and not keeps_input else xp.empty_like(z)
        shifted = None
        if keeps_input and bias is not None:
            shifted = z if mine else xp.empty_like(z)
        given = [x for x in (z, bias, y, shifted) if x is not None]
        lanes = self.device.lanes(z.size if bias is None else C, *given)
        arguments = z, bias, C, *map(float, numbers), y, shifted
        self._launch_laned(f"activations:{name}_forward", lanes, z, z.size, *arguments)
        if not keeps_input:
            return y, y
        return y, z if shifted is None else shifted

    def activate_backward(
        self, dy: Array, saved: Array, activation: Activation, with_bias: bool
    ) -> tuple[Array, Array | None]:
        """dz = dy * f'(saved), dbias = sum of dz."""
        xp, (name, *numbers) = self.device.xp, activation
        dy, saved = xp.ascontiguousarray(dy), xp.ascontiguousarray(saved)
        if name == "linear":
            return dy, self._channel_sum(dy) if with_bias else None
        dz = xp.empty_like(dy)
        if name == "relu" and with_bias:
            return dz, self._channel_sum(dy, saved, dz)
        if name == "softmax":
            self._rows("softmax_backward", dy, saved, dz)
        else:
            lanes = self.device.lanes(dy.size, dy, saved, dz)
            arguments = dy, saved, *map(float, numbers), dz
            self._launch_laned(f"activations:{name}_backward", lanes, dy, dy.size, *arguments)
        return dz, self._channel_sum(dz) if with_bias else None

    def _rows(self, kernel: str, first: Array, second: Array | None, result: Array) -> None:
        """A thread for each row of softmax.cu, or a block of as many as the row has use for."""
        K = first.shape[-1]
        rows = first.size // max(K, 1)
        arguments = first, second, K, result
        if K <= _NARROW:
            self.device.launch(f"softmax:{kernel}_narrow", first.dtype, rows, *arguments)
            return
        block = min(1 << (K - 1).bit_length(), _BLOCK)
        self.device.launch_blocks(
            f"softmax:{kernel}", first.dtype, rows, block, *arguments,
            shared=block * first.itemsize,
        )  # fmt: skip

    def _channel_sum(self, dy: Array, y: Array | None = None, dz: Array | None = None) -> Array:
        """The sum of dy (..., C) over all axes but the last; with y: of dz = dy * (y > 0)."""
        C = dy.shape[-1]
        rows = dy.size // max(C, 1)
        lanes = self.device.lanes(C, *(x for x in (dy, y, dz) if x is not None))
        tiles = -(-C // (lanes * _BLOCK))
        together = max(_BLOCK * lanes // C, 1) if C else 1
        properties = self.device.properties
        resident = properties.multiprocessors * (properties.threads // _BLOCK)
        shares = max(1, min(-(-rows // (_ROWS * together)), 2 * resident // max(tiles, 1)))
        partial = self.device.xp.empty((shares, C), dy.dtype)
        suffix = "" if lanes == 1 else "_vector"
        kernel, more = ("channel_sums", ()) if y is None else ("relu_backward_sums", (y, dz))
        self.device.launch_blocks(
            f"channel_sums:{kernel}{suffix}", dy.dtype, (tiles, shares), _BLOCK,
            dy, *more, rows, C, partial,
        )  # fmt: skip
        return partial[0] if shares == 1 else self._channel_sum_of_shares(partial)

    def _channel_sum_of_shares(self, partial: Array) -> Array:
        shares, C = partial.shape
        total = self.device.xp.empty((C,), partial.dtype)
        tiles = -(-C // _BLOCK)
        self.device.launch_blocks(
            "channel_sums:channel_sums", partial.dtype, tiles, _BLOCK, partial, shares, C, total
        )
        return total
