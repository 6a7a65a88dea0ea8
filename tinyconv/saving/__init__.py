"""Models and weights to files and back, in Keras' own formats."""

from tinyconv.saving.files import load_model, load_weights, save_model, save_weights

__all__ = ["load_model", "load_weights", "save_model", "save_weights"]
