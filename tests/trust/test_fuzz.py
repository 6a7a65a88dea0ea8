"""Every reader on some damaged and hostile files; `python -m tests.trust.fuzz` for more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("h5py")
pytest.importorskip("PIL")
pytest.importorskip("typer")
if not Path("/proc/self/status").exists():
    pytest.skip("the campaign measures memory as Linux tells it", allow_module_level=True)

from tests.trust.fuzz.readers import READERS

ROOT = Path(__file__).parents[2]
FILES = 600
QUICK = [name for name in READERS if name != "tfds"]  # which takes TensorFlow's start


def test_damaged_and_hostile_files():
    run = subprocess.run(
        [sys.executable, "-m", "tests.trust.fuzz", "--count", str(FILES), "--reader", *QUICK],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    last = run.stdout.splitlines()[-1].split()
    assert last[0] == "all"
    assert abs(int(last[1]) - FILES) <= len(QUICK)
    assert last[-1] == "0"
