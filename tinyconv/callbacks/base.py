"""Callbacks: functions that training calls at its every turn."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Any

Logs = dict[str, Any]


class Callback:
    """Subclass it and define what you need; `self.model` is the model that trains.

    `logs` holds the running means by name: loss, accuracy, and at the end of an epoch
    val_loss and so on. Set `self.model.stop_training = True` to end the training.
    A callback that remembers something from step to step says what in `get_state`, so that
    `BackupAndRestore` can keep it.
    """

    model: Any = None
    params: Logs
    siblings: Sequence[Callback] = ()  # all callbacks of the run, this one among them
    place = 0  # callbacks with a higher one are called after the others

    def __repr__(self) -> str:
        return f"<callback {type(self).__name__}>"

    def get_state(self) -> Logs:
        """What the rest of the training depends on: numbers, strings, lists, dicts, arrays."""
        return {}

    def set_state(self, state: Logs) -> None:
        """Put back what `get_state` returned; called after `on_train_begin`, and in the middle
        of an epoch once more after `on_epoch_begin`."""

    def set_model(self, model: Any) -> None:
        """Called first, with the model."""
        self.model = model

    def set_params(self, params: Logs) -> None:
        """Called next, with epochs, steps and verbose."""
        self.params = params

    def close(self) -> None:
        """Called last, also when training ended by an exception."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The older name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a training step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a training step."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before one of its batches."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After one of its batches."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before one of its batches."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After one of its batches."""


class CallbackList(Callback):
    """All callbacks of one run as one; a context manager, so that each is closed.

    Args:
        given: what the user passed: None, one callback or several.
        model: the model that trains.
        own: callbacks of the run itself; None is left out. They come first, but for the
            history, which as in Keras also holds what the user's callbacks add to the logs.

    Raises:
        TypeError: for something that is not a callback.
    """

    def __init__(
        self, given: Sequence[Callback] | Callback | None, model: Any, *own: Callback | None
    ) -> None:
        users = [given] if isinstance(given, Callback) else list(given or ())
        for callback in users:
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"{model!r}: callbacks must be tinyconv.callbacks.Callback objects. "
                    f"Received: {callback!r}"
                )
        every = [callback for callback in own if callback is not None] + users
        self.callbacks = sorted(every, key=lambda callback: callback.place)
        for callback in self.callbacks:
            callback.siblings = self.callbacks
        self.set_model(model)

    def __enter__(self) -> CallbackList:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.ExitStack() as stack:  # closes all, whatever one of them raises
            for callback in reversed(self.callbacks):
                stack.callback(callback.close)


def _to_all(name: str) -> Any:
    def call(self: CallbackList, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, name)(*arguments)

    call.__name__, call.__doc__ = name, getattr(Callback, name).__doc__
    return call


for _name in vars(Callback):
    if _name.startswith("on_") or _name in ("set_model", "set_params"):
        setattr(CallbackList, _name, _to_all(_name))
