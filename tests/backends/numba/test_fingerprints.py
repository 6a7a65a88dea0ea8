"""Fingerprints: other ones for other numbers, the same on any number of threads."""

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import Fill
from tinyconv.backends.numba import NumbaBackend
from tinyconv.backends.numpy import NumpyBackend

fingerprint = NumbaBackend().fingerprint


@settings(max_examples=20)
@given(size=st.integers(2, 600), seed=st.integers(0, 2**16), dtype=st.sampled_from(["f4", "f8"]))
def test_fingerprints_differ(size, seed, dtype):
    fill = Fill(seed)
    array = fill((size,), dtype)
    seen = {fingerprint(array)}
    assert fingerprint(array.copy()) in seen
    i, j = fill.generator.choice(size, 2, replace=False)
    array[i], array[j] = array[j].copy(), array[i].copy()
    seen.add(fingerprint(array))
    array[i] = np.nextafter(array[i], np.inf, dtype=dtype)
    seen.add(fingerprint(array))
    array *= -1  # changes every highest bit
    seen.add(fingerprint(array))
    array[:] = np.roll(array, 1)
    seen.add(fingerprint(array))
    assert len(seen) == 5


def test_threads_do_not_matter():
    array, before = Fill(1)((300, 200), "f4"), numba.get_num_threads()
    first = fingerprint(array)
    try:
        numba.set_num_threads(1)
        assert fingerprint(array) == first
    finally:
        numba.set_num_threads(before)


def test_the_textbook_has_none():
    assert NumpyBackend().fingerprint(np.ones(3)) is None
