"""Callbacks, by Keras' names."""

from tinyconv.callbacks.base import Callback, CallbackList
from tinyconv.callbacks.early_stopping import EarlyStopping
from tinyconv.callbacks.history import History
from tinyconv.callbacks.progress import EpochLines, ProgressBar

__all__ = ["Callback", "CallbackList", "EarlyStopping", "EpochLines", "History", "ProgressBar"]
