"""Whether an array still is what it was: a sum of 64 bits over all its numbers.

What has been made of weights (a transformed or a folded kernel) may be used again while
they stay the same, and nobody has to tell when they have changed. Reading them takes a
tenth of the time that making it anew takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.execution import Execution
from tinyconv.backends.numba._jit import jit_inner, jit_parallel

PIECES = 64  # of an array, whatever the number of threads


def fingerprint_piece_loops(words: Array, state: Array, first: int, last: int) -> None:
    """state[lane] depends on every bit of the words (uint64) of rows first to last - 1.

    state = mix(state ^ word) with a `mix` that loses nothing: two arrays that differ in
    one word never share a fingerprint, others once in 2^64. The shift is needed: a
    product alone never moves a word's highest bits down, and two changed signs cancel.
    """
    streams, prime, shift = state.size, np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
    for lane in range(streams):
        state[lane] = np.uint64(lane + 1)
    for row in range(first, last):
        source = words[row * streams : (row + 1) * streams]
        for lane in range(streams):
            mixed = (state[lane] ^ source[lane]) * prime
            state[lane] = mixed ^ (mixed >> shift)


fingerprint_piece = jit_inner(fingerprint_piece_loops)


def fingerprint_loops(words: Array, states: Array) -> None:
    rows = words.size // states.shape[1]
    for piece in prange(PIECES):
        first, last = piece * rows // PIECES, (piece + 1) * rows // PIECES
        fingerprint_piece(words, states[piece], first, last)


fingerprint_kernel = jit_parallel(fingerprint_loops)


def fingerprint(array: Array) -> bytes:
    """Equal for equal bits, different for others (but for an accident in 2^64)."""
    numbers = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    states = np.empty((PIECES, 16), np.uint64)
    whole = numbers.size // (8 * 16) * (8 * 16)
    fingerprint_kernel(numbers[:whole].view(np.uint64), states)
    return states.tobytes() + numbers[whole:].tobytes()


class Fingerprints(Execution):
    def fingerprint(self, x: Any) -> bytes | None:
        """64 bits for each of PIECES pieces, and 16 streams in each."""
        return fingerprint(x)
