"""Training that is killed with SIGKILL goes on as if it had not been."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_DELAY = 0.12  # seconds; a good part of the training, which is started some 20 times


def start(folder, backend, *others):
    command = [sys.executable, "-m", "tests.callbacks.killed", str(folder), backend, *others]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment["NUMBA_NUM_THREADS"] = "2"
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT)


def finish(folder, backend, *others):
    """Train without a kill."""
    process = start(folder, backend, *others)
    process.communicate(timeout=300)
    assert process.returncode == 0


def kill_after(folder, backend, delay):
    """Whether a training that was under way was killed; else it had come to its end."""
    process = start(folder, backend)
    under_way = process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL)
    return under_way == b"under way\n" and process.returncode == -signal.SIGKILL


def outcome(folder):
    """Every array, and the text of the log."""
    with np.load(folder / "result.npz") as arrays:
        return {name: arrays[name] for name in arrays}, (folder / "log.csv").read_bytes()


def assert_same(folder, reference, told):
    (arrays, log), (expected, expected_log) = outcome(folder), outcome(reference)
    assert arrays.keys() == expected.keys(), told
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name], f"{name} ({told})", strict=True)
    assert log == expected_log, told
    assert log.count(b"\n") == 1 + len(expected["epoch"]), told
    assert not (folder / "backup").exists(), told


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Folders of trainings that were never killed, by backend."""
    folders = {}

    def of(backend):
        if backend not in folders:
            folders[backend] = tmp_path_factory.mktemp(backend)
            finish(folders[backend], backend)
        return folders[backend]

    return of


def test_a_backup_changes_nothing(reference, tmp_path):
    finish(tmp_path, "numpy", "no backup")
    assert_same(tmp_path, reference("numpy"), "without a backup")


@pytest.mark.parametrize(("backend", "kills"), [("numpy", 20), ("numba", 4)])
def test_killed_at_random_moments(backend, kills, reference, tmp_path):
    expected = reference(backend)
    seed = random.SystemRandom().randrange(10**6)
    delays, done, trainings = random.Random(seed), 0, 0
    while done < kills:
        trainings += 1
        told = f"seed {seed}, training {trainings}"
        folder = tmp_path / str(trainings)
        folder.mkdir()
        while done < kills and kill_after(folder, backend, delays.uniform(0, LONGEST_DELAY)):
            done += 1
            if (folder / "result.npz").exists():  # killed on its way out: the training is over
                break
        if not (folder / "result.npz").exists():
            finish(folder, backend)
        assert_same(folder, expected, told)


@pytest.mark.parametrize("where", ["numpy.savez", "os.fsync", "os.replace"])
@pytest.mark.parametrize("step", [3, 45])
def test_killed_while_the_backup_is_written(where, step, reference, tmp_path):
    process = start(tmp_path, "numpy", str(step), where)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    if where != "os.fsync":  # that one is of the CSV log
        (left,) = (tmp_path / "backup").glob(".*.tmp")
        assert left.stat().st_size > 0
    finish(tmp_path, "numpy")
    assert_same(tmp_path, reference("numpy"), where)
