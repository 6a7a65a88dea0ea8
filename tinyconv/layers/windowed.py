"""What convolution and pooling share: a window that slides over an image."""

from __future__ import annotations

from typing import Any

from tinyconv import geometry
from tinyconv.geometry import Shape, Window, pair
from tinyconv.layers.base import Layer


class Windowed(Layer):
    """Base of the layers that slide a window: its arguments, and the output shape.

    Raises:
        ValueError: for sizes that are not positive integers, an unknown padding, or a
            data_format other than "channels_last".
    """

    rank = 4
    steady = True
    axes = "(batch, height, width, channels)"

    def __init__(
        self,
        size: Any,
        strides: Any,
        padding: str,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        **base: Any,
    ) -> None:
        super().__init__(**base)
        check_data_format(data_format, self)
        self.size = pair(size, "the window size", self)
        self.strides = pair(size if strides is None else strides, "strides", self)
        self.dilation_rate = pair(dilation_rate, "dilation_rate", self)
        self.padding = str(padding).lower()
        if self.padding not in ("valid", "same"):
            raise ValueError(
                f"{self!r}: padding must be 'valid' or 'same'. Received: padding={padding!r}"
            )

    def window(self, shape: Shape) -> Window:
        """The window over images of this shape (N, H, W, C).

        Raises:
            ValueError: naming the layer, if the window does not fit.
        """
        image = (int(shape[1] or 0), int(shape[2] or 0))
        try:
            return geometry.slide(image, self.size, self.strides, self.padding, self.dilation_rate)
        except ValueError as error:
            raise ValueError(f"{self!r}: {error}") from None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, OH, OW, C)."""
        self.check_shape(input_shape)
        if None not in input_shape[1:3]:
            return (input_shape[0], *self.window(input_shape).output, input_shape[3])
        rows, cols = (
            geometry.slide_length(
                input_shape[1 + axis], self.size[axis], self.strides[axis],
                self.padding, self.dilation_rate[axis],
            )
            for axis in (0, 1)
        )  # fmt: skip
        return (input_shape[0], rows, cols, input_shape[3])


def check_data_format(data_format: str | None, layer: Layer) -> None:
    """Raise ValueError unless the layout is the one layout there is, NHWC."""
    if data_format not in (None, "channels_last"):
        raise ValueError(
            f"{layer!r}: data_format must be 'channels_last'. Received: {data_format!r}"
        )
