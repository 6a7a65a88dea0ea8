"""Callbacks, by Keras' names."""

from tinyconv.callbacks.backup import BackupAndRestore
from tinyconv.callbacks.base import Callback, CallbackList
from tinyconv.callbacks.checkpoint import ModelCheckpoint
from tinyconv.callbacks.csv_logger import CSVLogger
from tinyconv.callbacks.early_stopping import EarlyStopping
from tinyconv.callbacks.history import History
from tinyconv.callbacks.lambda_callback import LambdaCallback
from tinyconv.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from tinyconv.callbacks.progress import EpochLines, ProgressBar
from tinyconv.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "EpochLines",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TensorBoard",
]
