"""Rounds of use in a process of its own: what it holds does not grow. An hour: soak.py."""

import os
import subprocess
import sys

import pytest

from tests.trust.holdings import Holdings
from tests.trust.soak import grown, growth

PROGRAM = """
from tests.trust.soak import grown, soak

found = soak({backend!r}, rounds=12, images=32, sizes=2, between=0)
assert len(found) == 12, len(found)
# In seconds memory does not settle to 1 %: it goes up and down by a sixth.
print(grown(found, allowed=0.25), [round(each.own) for each in found])
"""


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_nothing_grows(backend):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(backend=backend)],
        env={**os.environ, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[] "), done.stdout


def test_what_counts_as_grown():
    steady = Holdings(100.0, 90.0, 3, 7, 5.0, 1.0, 40, 60, 80, 9000)
    assert grown([steady] * 20) == []
    assert growth([steady] * 20)["files"] == (7, 7)
    leaking = [steady._replace(own=100.0 + i, files=7 + (i > 18)) for i in range(20)]
    assert [words.split(":")[0] for words in grown(leaking)] == ["own, low", "own, high", "files"]
    slow = [steady._replace(own=100.0 + 0.02 * i) for i in range(20)]
    assert grown(slow) == []
