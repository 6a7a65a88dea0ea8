"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinyconv import registry
from tinyconv.callbacks.base import Callback

_HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class LambdaCallback(Callback):
    """Calls the functions that it is given: `LambdaCallback(on_epoch_end=lambda epoch, logs: ...)`.

    Args:
        on_epoch_begin, on_epoch_end: called with epoch and logs.
        on_train_begin, on_train_end: called with logs.
        on_train_batch_begin, on_train_batch_end: called with batch and logs.
        others: any other `on_...` of `Callback`.

    Raises:
        TypeError: for a name that is none of them, or a value that cannot be called.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **others: Callable[..., Any] | None,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **others,
        }
        for name, function in given.items():
            if name not in _HOOKS:
                hint = registry.suggest(name, _HOOKS)
                raise TypeError(f"LambdaCallback: unsupported argument {name!r}.{hint}")
            if function is None:
                continue
            if not callable(function):
                raise TypeError(
                    f"LambdaCallback: {name} must be a function. Received: {function!r}"
                )
            setattr(self, name, function)
