"""Models: layers put together."""

from tinyconv.models.functional import Functional
from tinyconv.models.model import Model
from tinyconv.models.sequential import Sequential
from tinyconv.saving import load_model, save_model

__all__ = ["Functional", "Model", "Sequential", "load_model", "save_model"]
