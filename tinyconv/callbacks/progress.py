"""What a person watches: a bar on a terminal, else a line an epoch."""

from __future__ import annotations

import sys
import time
from typing import Any

from tinyconv.callbacks.base import Callback, Logs
from tinyconv.interrupts import held_back

_WIDE = 100  # columns; a narrower terminal has no room for the speed beside the values
_RESUMED_AT_END = "resumed after its last step"
_REFRESH_SECONDS = 0.1  # drawing more often costs time and nobody sees it


def progress_bar(verbose: Any) -> Callback | None:
    """The callback for a `verbose` argument.

    0 gives None, 1 a bar, 2 a line an epoch; "auto" is 1 on a terminal and 2 elsewhere.

    Raises:
        ValueError: for any other value.
    """
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() else 2
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")
    if verbose == 0:
        return None
    return ProgressBar() if verbose == 1 else EpochLines()


class EpochLines(Callback):
    """One line an epoch: the time it trained for, and every value of the logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Start the clock."""
        self._started = self._stopped = time.perf_counter()
        self._steps = self._first = 0  # those taken here; a resumed epoch begins in the middle

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step further; the validation that may follow is not training."""
        self._stopped = time.perf_counter()
        self._first = self._first if self._steps else batch
        self._steps += 1

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Print the line."""
        seconds, epochs = self._stopped - self._started, self.params.get("epochs", epoch + 1)
        each = _RESUMED_AT_END
        if self._steps:
            each = f"{seconds:.1f} s, {_speed(seconds, self._steps, self._first)}"
        print(f"Epoch {epoch + 1}/{epochs} - {each} - {values_text(logs)}", flush=True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Print the result of `evaluate`; within `fit` the epoch's line holds it."""
        if "epochs" not in self.params:
            print(f"Evaluation - {values_text(logs)}", flush=True)


class ProgressBar(Callback):
    """A bar for each epoch (or evaluation, or prediction) with speed and running means."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)
        self._bar: Any = None

    # ---- one bar --------------------------------------------------------------

    def _open(self, title: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.close()
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("[cyan]{task.fields[speed]}"),
            TextColumn("{task.fields[values]}"),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=self.params.get("steps"), speed="", values="")
        self._started = self._stopped = time.perf_counter()
        self._title, self._steps, self._drawn, self._begin = title, 0, 0.0, 0
        with held_back():
            self._bar.start()

    def _advance(self, done: int, logs: Logs | None) -> None:
        self._stopped = time.perf_counter()
        self._steps += 1  # taken here; an epoch that is resumed does not begin with the first
        if self._steps == 1:
            self._first, self._begin = self._stopped, done - 1
        if self._bar is not None and self._stopped - self._drawn >= _REFRESH_SECONDS:
            self._drawn = self._stopped
            self._draw(done, logs)

    def _draw(self, done: int, logs: Logs | None) -> None:
        # The first step may have compiled kernels; what is left is judged by the others.
        each = (self._stopped - self._first) / max(self._steps - 1, 1)
        total = self.params.get("steps")  # None in the first epoch over data of unknown length
        parts = [f"{1000 * each:.1f} ms/step"] if self._console.width >= _WIDE else []
        if total is not None:
            parts.append(f"{_clock(each * (total - done))} left")
        speed = ", ".join(parts)
        if self._steps == 1:
            speed = ""
        self._bar.update(self._task, completed=done, speed=speed, values=values_text(logs))
        self._bar.refresh()

    def _finish(self, logs: Logs | None) -> None:
        """Replace the bar by a line that may be as long as it needs."""
        if self._bar is None:
            return
        seconds = self._stopped - self._started
        self.close()
        speed = _RESUMED_AT_END
        if self._steps:
            speed = f"{_clock(seconds)} {_speed(seconds, self._steps, self._begin)}"
        from rich.text import Text

        head = f"{self._title} {speed}"
        text = Text("\n".join(_lines(head, logs, self._console.width)))
        text.stylize("bold", 0, len(self._title))
        text.stylize("cyan", len(head) - len(speed), len(head))
        self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it was, also after an exception."""
        if self._bar is not None:
            with held_back():  # half of it would leave the cursor hidden
                self._bar.stop()
                self._bar = None

    # ---- what it is told ------------------------------------------------------

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """A new bar."""
        self._open(f"Epoch {epoch + 1}/{self.params.get('epochs', epoch + 1)}")

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step further."""
        self._advance(batch + 1, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """The bar with the epoch's values stays on the screen."""
        self._finish(logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """A bar for `evaluate`; within `fit` the epoch's bar stays."""
        if "epochs" not in self.params:
            self._open("Evaluate")

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step further."""
        if "epochs" not in self.params:
            self._advance(batch + 1, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """The result stays on the screen."""
        if "epochs" not in self.params:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """A bar for `predict`."""
        self._open("Predict")

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step further."""
        self._advance(batch + 1, None)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """The bar stays on the screen."""
        self._finish(None)


def values_text(logs: Logs | None) -> str:
    """loss: 0.3978 - accuracy: 0.8572."""
    return " - ".join(_values(logs))


def _values(logs: Logs | None) -> list[str]:
    return [f"{name}: {value:.4f}" for name, value in (logs or {}).items()]


def _lines(head: str, logs: Logs | None, width: int) -> list[str]:
    """The head and the values, in lines that are never broken within a value."""
    lines = [head]
    for value in _values(logs):
        if len(f"{lines[-1]} - {value}") <= width:
            lines[-1] += f" - {value}"
        else:
            lines.append(f"  - {value}")
    return lines


def _speed(seconds: float, steps: int, first: int) -> str:
    """Of the steps that were taken here; `first` was the first of them."""
    text = f"{1000 * seconds / steps:.1f} ms/step"
    return f"{text} (resumed at step {first})" if first else text


def _clock(seconds: float) -> str:
    """75.3 -> 1:15."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
