"""Models: layers put together."""

from tinyconv.models.model import Model
from tinyconv.models.sequential import Sequential

__all__ = ["Model", "Sequential"]
