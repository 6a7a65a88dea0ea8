"""Measuring contenders against each other on a noisy machine.

Each contender lives in a process of its own (process.py), with its own threads and memory,
and waits there for its turn. The turns alternate, A B C A B C ..., so that a slow minute of
the machine hits all alike, and what is compared is the ratio within a round. Absolute times
are reported, but not to be trusted across runs.

A contender that may be run in several ways (with or without a compiler, in larger or
smaller batches) tries them all in a process before, and runs in the one that was fastest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.contender import Contender, Result
from benchmarks.process import TURN, Process

WARM_UPS = 2  # turns before those that count: the first compiles, the second settles
_TRIALS = 3  # turns of each setting, after its warm-up


def alternate(
    contenders: Sequence[Contender], rounds: int, warm_ups: int = WARM_UPS
) -> list[Result]:
    """Prepare all contenders, then let them take turns.

    Raises:
        RuntimeError: naming the contender that failed.
    """
    tried = [try_settings(contender) for contender in contenders]
    processes: list[Process] = []
    try:
        for contender, times in zip(contenders, tried, strict=True):
            process = Process(contender)  # one prepares at a time
            processes.append(process)
            process.prepare(_fastest(contender, times), warm_ups)
        values = [[process.ask(TURN) for process in processes] for _ in range(rounds)]
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
    processes: list[Process] = []
    try:
        for contender in contenders:
            processes.append(Process(contender))
        for piece in pieces:
            for process in processes:
                process.ask(piece)
            turns = [[process.ask(TURN) for process in processes] for _ in range(rounds + 1)]
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
    process = Process(contender)
    try:
        times = {}
        for setting in contender.settings:
            process.prepare(setting, 1)
            times[setting] = min(process.ask(TURN) for _ in range(_TRIALS))
        process.stop()
        return times
    finally:
        process.end()


def _fastest(contender: Contender, times: dict[str, float]) -> str:
    return min(times, key=times.__getitem__) if times else next(iter(contender.settings), "")
