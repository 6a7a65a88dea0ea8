"""Measuring contenders against each other on a noisy machine.

Each contender lives in a process of its own, with its own threads and memory, and waits
there for its turn. The turns alternate, A B C A B C ..., so that a slow minute of the
machine hits all alike, and what is compared is the ratio within a round. Absolute times
are reported, but not to be trusted across runs.

A contender that may be run in several ways (with or without a compiler, in larger or
smaller batches) tries them all in a process before, and runs in the one that was fastest.

What the libraries write to the standard error stream is shown only where one fails.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

Turn = Callable[[], float]

WARM_UPS = 2  # turns before those that count: the first compiles, the second settles
_TRIALS = 3  # turns of each setting, after its warm-up
_PATIENCE = 30.0  # seconds that a process has to end by itself


@dataclass(frozen=True)
class Contender:
    """Something to measure.

    Attributes:
        name: shown in the table.
        factory: "module:function"; called once in the contender's process with `options`, it
            does all preparation and returns a function that does one turn and returns its
            seconds per unit of work.
        options: keyword arguments of the factory.
        settings: ways to run it, by what to call them: more arguments of the factory each.
        imports: modules to import first; their time and memory are told apart.
        environment: variables of its process.
        peer: whether it is one of those to be measured against.
    """

    name: str
    factory: str
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    peer: bool = False


class Costs(NamedTuple):
    """What the values of a contender leave out.

    Attributes:
        import_seconds, import_memory: of its library; memory in bytes.
        build_seconds: of the data and the model.
        first_turn_seconds: the first turn, which compiles.
    """

    import_seconds: float
    import_memory: int
    build_seconds: float
    first_turn_seconds: float


class Result(NamedTuple):
    """What all turns of one contender returned (seconds per unit of work, say).

    Attributes:
        name, peer: of the contender.
        values: one a round.
        peak_memory: of the process, its library and its data included, in bytes.
        costs: what the values leave out.
        setting: the way in which it ran; "" if there was only one.
        tried: the seconds of the other ways, and its own, when they were tried.
    """

    name: str
    peer: bool
    values: list[float]
    peak_memory: int
    costs: Costs
    setting: str
    tried: dict[str, float]

    @property
    def median(self) -> float:
        """Of all turns."""
        return statistics.median(self.values)


def alternate(
    contenders: Sequence[Contender], rounds: int, warm_ups: int = WARM_UPS
) -> list[Result]:
    """Prepare all contenders, then let them take turns.

    Raises:
        RuntimeError: naming the contender that failed.
    """
    tried = [try_settings(contender) for contender in contenders]
    processes: list[_Process] = []
    try:
        for contender, times in zip(contenders, tried, strict=True):
            process = _Process(contender)  # one prepares at a time
            processes.append(process)
            process.prepare(_fastest(contender, times), warm_ups)
        values = [[process.ask(_TURN) for process in processes] for _ in range(rounds)]
        return [
            process.result([row[number] for row in values], tried[number])
            for number, process in enumerate(processes)
        ]
    finally:
        for process in processes:
            process.end()


def one_after_the_other(
    contenders: Sequence[Contender], pieces: Sequence[dict[str, Any]], rounds: int
) -> Iterator[list[list[float]]]:
    """As `alternate`, for many small pieces of work in the same processes.

    Args:
        pieces: arguments of all factories, besides their own options, for a piece each.

    Yields:
        For each piece the values of each contender.

    Raises:
        RuntimeError: naming the contender that failed.
    """
    processes: list[_Process] = []
    try:
        for contender in contenders:
            processes.append(_Process(contender))
        for piece in pieces:
            for process in processes:
                process.ask(piece)
            turns = [[process.ask(_TURN) for process in processes] for _ in range(rounds + 1)]
            yield [list(values[1:]) for values in zip(*turns, strict=True)]  # the first compiles
        for process in processes:
            process.stop()
    finally:
        for process in processes:
            process.end()


def try_settings(contender: Contender) -> dict[str, float]:
    """The best of a few turns of each setting; nothing where there is no choice."""
    if len(contender.settings) < 2:
        return {}
    process = _Process(contender)
    try:
        times = {}
        for setting in contender.settings:
            process.prepare(setting, 1)
            times[setting] = min(process.ask(_TURN) for _ in range(_TRIALS))
        process.stop()
        return times
    finally:
        process.end()


def _fastest(contender: Contender, times: dict[str, float]) -> str:
    return min(times, key=times.__getitem__) if times else next(iter(contender.settings), "")


# ---- processes --------------------------------------------------------------------

_TURN, _STOP = "turn", "stop"


class _Process:
    """A contender's process, as it is seen from here."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._costs: Costs | None = None
        self._setting = ""
        descriptor, name = tempfile.mkstemp()
        os.close(descriptor)
        self._told = Path(name)  # what it writes to its standard error stream
        spawn = multiprocessing.get_context("spawn")
        self._pipe, there = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(there, contender, name), daemon=True)
        self._process.start()
        there.close()  # so that the death of the process is noticed
        try:
            self._imported: tuple[float, int] = self._answer()
        except RuntimeError:
            self.end()
            raise

    def prepare(self, setting: str, warm_ups: int) -> None:
        """Build it anew in one of its settings and warm it up."""
        build_seconds = self.ask(self._contender.settings.get(setting, {}))
        started = time.perf_counter()
        first = 0.0
        for number in range(warm_ups):
            self.ask(_TURN)
            if not number:
                first = time.perf_counter() - started
        self._setting = setting
        self._costs = Costs(*self._imported, build_seconds, first)

    def ask(self, command: str | dict[str, Any]) -> Any:
        """A turn (its value), or a model with these settings (the seconds that it took)."""
        self._pipe.send(command)
        return self._answer()

    def result(self, values: list[float], tried: dict[str, float]) -> Result:
        """Stop the process."""
        peak = self.stop()
        assert self._costs is not None
        return Result(
            self._contender.name, self._contender.peer, values, peak, self._costs,
            self._setting, tried,
        )  # fmt: skip

    def stop(self) -> int:
        """Let it tidy up and end (what is killed leaves semaphores behind); -> its peak memory."""
        peak: int = self.ask(_STOP)
        self._process.join(_PATIENCE)
        return peak

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._told.unlink(missing_ok=True)

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            answer = RuntimeError("its process died")
        if isinstance(answer, Exception):
            told = self._told.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"{self._contender.name}: {answer}\n{told}".rstrip()) from None
        return answer


def _serve(there: Connection, contender: Contender, told: str) -> None:
    """What the contender's process does."""
    with open(told, "ab") as file:
        os.dup2(file.fileno(), 2)  # also for what is not written by Python
    os.environ.pop("GOMP_SPINCOUNT", None)  # tinyconv's own, if the parent has imported it
    os.environ.update({**_all_cores(), **contender.environment})
    try:
        started = time.perf_counter()
        for module in contender.imports:
            importlib.import_module(module)
        module, function = contender.factory.split(":")
        factory = getattr(importlib.import_module(module), function)
        there.send((time.perf_counter() - started, peak_memory()))
        turn: Turn | None = None
        while (command := there.recv()) != _STOP:
            if command == _TURN:
                assert turn is not None
                there.send(turn())
                continue
            started, turn = time.perf_counter(), None
            gc.collect()  # the model of the setting before
            turn = factory(**contender.options, **command)
            there.send(time.perf_counter() - started)
        there.send(peak_memory())
    except Exception as error:
        there.send(RuntimeError(f"{type(error).__name__}: {error}"))  # others may not be pickled


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _all_cores() -> dict[str, str]:
    """Every library takes all cores, whatever the caller's shell says."""
    threads = ("OMP", "MKL", "OPENBLAS", "NUMBA")
    names = [f"{name}_NUM_THREADS" for name in threads]
    names += ["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"]
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **dict.fromkeys(names, str(cores()))}


def peak_memory() -> int:
    """Largest resident set of this process, bytes."""
    try:  # getrusage's begins with what the parent had when it started this process
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return next(
            int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")
        )
    except (OSError, StopIteration):
        pass  # not Linux
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
