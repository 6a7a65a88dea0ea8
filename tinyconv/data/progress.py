"""The progress bar of a download, which also tells whether anything still arrives."""

from __future__ import annotations

import time
from types import TracebackType


class Progress:
    """A bar on stderr in the form that pooch's downloaders expect.

    They set `total`, call `update` after each chunk and, once the file is complete,
    `reset` and `update` to fill the bar.

    Attributes:
        bytes: how many arrived so far.
        last_sign: time (time.monotonic) of the last sign of life.
    """

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(f"Downloading {name}", total=None)
        self._total: int | None = None
        self.bytes = 0
        self.last_sign = time.monotonic()

    @property
    def started(self) -> bool:
        """Whether any content has arrived."""
        return self.bytes > 0

    @property
    def total(self) -> int | None:
        """Size of the file in bytes, None (or 0 from pooch) where the server is silent on it."""
        return self._total

    @total.setter
    def total(self, value: int) -> None:
        self._total = value or None
        self.last_sign = time.monotonic()
        self._bar.update(self._task, total=self._total)

    def update(self, count: int) -> None:
        """Take note of `count` more bytes; the last chunk may in truth be shorter."""
        self.bytes += count
        if self._total is not None:
            self.bytes = min(self.bytes, self._total)
        self.last_sign = time.monotonic()
        self._bar.update(self._task, completed=self.bytes)

    def reset(self) -> None:
        """Begin to count anew."""
        self.bytes = 0

    def close(self) -> None:
        """Nothing: the bar closes with its `with` block."""

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
