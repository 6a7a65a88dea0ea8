"""Files are read in processes that may be lost.

The HDF5 library, Pillow and TensorFlow are C: what is wrong there ends the process, and nothing
inside it can tell. So each reader runs in a child of a warm fork server. Timers of the system end
a child that computes for more than 5 s or waits for more than 60 s over one file; the number of
that file stays in shared memory, and the next child goes on behind it.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from multiprocessing import connection
from pathlib import Path
from random import Random
from typing import Any

from tests.trust.fuzz.reader import Reader
from tests.trust.fuzz.tally import MOST_MEMORY, Result

SECONDS = 5.0  # of computing
PATIENCE = 60.0  # seconds of waiting; the machine may be busy
_SPACE = 2 << 30  # bytes of addresses that a child may ask for beyond what it starts with


def run(reader: type[Reader], seed: int, numbers: range, workers: int = 1) -> Iterator[Result]:
    """Read the files of these numbers; the results as they come."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.trust.fuzz.readers"])
    parts = [numbers[k::workers] for k in range(workers)]
    children = [_Child(context, reader, seed, part) for part in parts if len(part)]
    while children:
        ready = connection.wait([child.results for child in children])
        for child in [each for each in children if each.results in ready]:
            try:
                yield child.results.recv()
            except EOFError:
                children.remove(child)
                yield from child.ended()
                if len(child.left):
                    children.append(_Child(context, reader, seed, child.left))


class _Child:
    """A process, and the files that it did not come to."""

    def __init__(self, context: Any, reader: type[Reader], seed: int, numbers: range) -> None:
        self.reader, self.left = reader, numbers
        self.now = context.RawValue("q", -1)  # index of the file that is being read
        self.results, theirs = context.Pipe(duplex=False)
        self.process = context.Process(
            target=_work, args=(reader, seed, numbers, self.now, theirs, SECONDS), daemon=True
        )
        self.process.start()
        theirs.close()

    def ended(self) -> Iterator[Result]:
        """The file that ended the process, if one did."""
        self.process.join()
        self.results.close()
        code, index = self.process.exitcode, self.now.value
        if code == 0:
            self.left = range(0)
            return
        if index < 0:
            raise RuntimeError(f"{self.reader.__name__}: no file was begun; it ended with {code}")
        reasons = {
            -signal.SIGPROF: f"computed for more than {SECONDS:g} s",
            -signal.SIGALRM: f"waited for more than {PATIENCE:g} s",
        }
        wrong = reasons.get(code or 0, f"the process ended with {code}")
        number, self.left = self.left[index], self.left[index + 1 :]
        yield Result(number, "?", "broken", wrong)


def _work(
    reader_class: type[Reader], seed: int, numbers: range, now: Any, results: Any, limit: float
) -> None:
    """The life of a child."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="tinyconv-fuzz-", dir=_folder()) as folder:
        os.chdir(folder)
        reader = reader_class(Path(folder))
        _limit_memory()
        _hush()
        for now.value, number in enumerate(numbers):
            results.send(_result(reader, seed, number, limit))


def _result(reader: Reader, seed: int, number: int, limit: float) -> Result:
    """Make one file and read it, under the timers."""
    try:
        what = reader.make(Random(f"{reader.name} {seed} {number}"))
    except Exception:
        return Result(number, "?", "broken", f"not made: {traceback.format_exc(limit=-4)}")
    before = _reset_peak()
    signal.setitimer(signal.ITIMER_PROF, limit)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    start, outcome, wrong = time.process_time(), "accepted", ""
    try:
        reader.check_accepted(reader.read())
    except reader.allowed as error:
        outcome, wrong = type(error).__name__, _judged(reader, error)
    except BaseException:
        wrong = traceback.format_exc(limit=-4)
    seconds = time.process_time() - start
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    memory = _peak() - before
    if not wrong and memory > MOST_MEMORY:
        wrong = f"took {memory / 2**20:,.0f} MiB"
    return Result(number, what, "broken" if wrong else outcome, wrong, seconds, memory)


def _judged(reader: Reader, error: BaseException) -> str:
    """What is wrong with an error of a documented type; "" for nothing."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return f"asked for more memory than there may be: {error}"
        cause = cause.__cause__ or cause.__context__
    text = str(error)
    if reader.named and reader.file.name not in text:
        return f"does not name the file: {type(error).__name__}: {text}"
    ours = type(error).__module__.startswith(("tinyconv", "builtins"))
    if ours and (len(text) > 10_000 or not text.replace("\n", "").isprintable()):
        return f"cannot be shown: {text[:200]!r} ... {len(text):,} characters"
    try:
        reader.check_refused()
    except BaseException:
        return f"after {error!r}: {traceback.format_exc(limit=-2)}"
    return ""


# ---- limits -----------------------------------------------------------------------


def _folder() -> str | None:
    """In memory where that is possible: thousands of files are written."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _hush() -> None:
    """Decoders print what they think of damaged files."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _limit_memory() -> None:
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    space = pages * resource.getpagesize() + _SPACE
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _reset_peak() -> int:
    """Bytes in memory now; from here on the peak counts anew."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass  # the peak then counts from the first file on
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) << 10
    sys.exit("this campaign needs Linux: /proc/self/status")
