"""Keras' name for what prepares data: `from tinyconv.preprocessing import image`."""

from tinyconv.preprocessing import image

__all__ = ["image"]
