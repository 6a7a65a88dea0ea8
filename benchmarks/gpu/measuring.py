"""How long the device takes, and how long it would take at best.

The best is not the data sheet's: a copy within the device's memory and a large matrix product
are measured on the same card, and all else is told as a fraction of them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from benchmarks.gpu.card import Card

MOST_SETS = 16


class Ceilings(NamedTuple):
    """What the device reaches at best.

    Attributes:
        copy: bytes a second, those read and those written.
        gemm, gemm_tf32: operations a second of a product of float32 matrices, exact and with
            operands rounded to 11 bits.
    """

    copy: float
    gemm: float
    gemm_tf32: float

    def product(self, tf32: bool) -> float:
        """Operations a second in that precision."""
        return self.gemm_tf32 if tf32 else self.gemm

    def fraction(self, cost: Cost, seconds: float, tf32: bool = False) -> float:
        """The time that the nearer roof would allow, over the time taken."""
        return max(cost.bytes / self.copy, cost.flops / self.product(tf32)) / seconds

    def bound(self, cost: Cost, tf32: bool = False) -> str:
        """The roof that is nearer: "copy" or "GEMM"."""
        product = self.product(tf32)
        return "GEMM" if cost.flops / product > cost.bytes / self.copy else "copy"


class Cost(NamedTuple):
    """What an operation can't do without.

    Attributes:
        bytes: each input read once and each result written once, or more often where the
            formula itself needs a second look at numbers that no cache holds.
        flops: additions, multiplications, roots, ... of the plain formula.
    """

    bytes: int
    flops: int


def sets_of_inputs(card: Card, bytes: int) -> int:
    """How many sets take turns, so that all of them together exceed the cache."""
    return max(2, min(MOST_SETS, math.ceil(2 * card.cache_bytes / max(bytes, 1))))


def seconds_a_call(card: Card, calls: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """The mean of the calls, once a round; each call has inputs of its own.

    They are made once before, to warm up, and once to see how long the host takes to ask for
    them: the device is given other work for as long, so that it's the device that is measured.
    """
    for call in calls:
        call()
    card.seconds(card.record(), card.record())  # all of that is done
    started = time.perf_counter()
    for call in calls:
        call()
    asking = time.perf_counter() - started
    values = []
    for _ in range(rounds):
        card.wipe(1.5 * asking)
        start = card.record()
        for call in calls:
            call()
        values.append(card.seconds(start, card.record()) / len(calls))
    return values


def ceilings(card: Any, rounds: int, quick: bool = False) -> Ceilings:
    """Measure them: a copy of many times the cache, products of square matrices."""
    size = 512 if quick else 8192
    generator = card.xp.random.default_rng(0)
    operands = [generator.standard_normal((size, size), dtype="float32") for _ in range(4)]
    products = []
    for tf32 in (False, True):
        backend = card.backend(tf32)
        calls = [
            lambda a=a, b=b, backend=backend: backend.matmul(a, b)
            for a, b in (operands[:2], operands[2:])
        ]
        seconds = statistics.median(seconds_a_call(card, calls, rounds))
        products.append(2 * size**3 / seconds)
    del operands
    card.release()

    elements = 8 * card.cache_bytes // 4
    pairs = []
    for _ in range(2):
        source = generator.standard_normal(elements, dtype="float32")
        pairs.append((card.xp.empty_like(source), source))
    copies = [lambda to=to, source=source: card.xp.copyto(to, source) for to, source in pairs]
    seconds = statistics.median(seconds_a_call(card, copies, rounds))
    del pairs, copies
    card.release()
    return Ceilings(2 * 4 * elements / seconds, *products)
