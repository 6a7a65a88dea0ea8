"""Weights to files and back, in Keras' own layouts."""

from tinyconv.saving.weights_h5 import load_weights, save_weights

__all__ = ["load_weights", "save_weights"]
