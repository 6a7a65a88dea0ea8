"""The process that a contender lives in: its own threads and memory, all cores, its turns.

What the libraries write to the standard error stream is shown only where one fails.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.contender import Contender, Costs, Result, Turn

TURN, _STOP = "turn", "stop"
_PATIENCE = 30.0  # seconds that a process has to end by itself


class Process:
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
            self.ask(TURN)
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
            if command == TURN:
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
