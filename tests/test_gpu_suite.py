"""`pytest -m gpu` is asked for: else it neither runs nor is skipped, and without a GPU it ends."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    """pytest on tests/gpu, where no GPU is to be seen."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "tests/gpu", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


def test_it_is_left_out_unless_it_is_asked_for():
    done = run()
    assert done.returncode == 5, done.stdout  # nothing was collected
    assert "deselected" in done.stdout
    assert "skipped" not in done.stdout


def test_without_a_gpu_it_ends_with_the_reason():
    done = run("-m", "gpu")
    assert done.returncode == 4
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1
    assert "pytest -m gpu needs a GPU: CuPy" in errors[0]
