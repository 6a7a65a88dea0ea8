"""Training that is killed with SIGKILL goes on as if it had not been."""

import multiprocessing
import random
import signal
import time

import numpy as np
import pytest

from tests.callbacks.killed import work

LONGEST_DELAY = 0.12  # seconds; a good part of the training, which is started some 20 times


@pytest.fixture(scope="module")
def start():
    """Starts a training in a process of its own, and returns the process and what it tells.

    All are forked from one process, which has imported what they need and computes nothing.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.callbacks.killed", "tinyconv.backends.numba"])

    def started(folder, backend, **how):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(there, folder, backend), kwargs=how)
        process.start()
        there.close()  # so that the end of the process is noticed
        return process, here

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("NUMBA_NUM_THREADS", "2")
        yield started


def finish(start, folder, backend, **how):
    """Train without a kill."""
    process, _ = start(folder, backend, **how)
    process.join(300)
    assert process.exitcode == 0


def kill_after(start, folder, backend, delay):
    """Whether a training that was under way was killed; else it had come to its end."""
    process, told = start(folder, backend)
    try:
        under_way = told.recv() == "under way"
    except EOFError:
        under_way = False
    time.sleep(delay)
    process.kill()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return under_way and process.exitcode == -signal.SIGKILL


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
def reference(start, tmp_path_factory):
    """Folders of trainings that were never killed, by backend."""
    folders = {}

    def of(backend):
        if backend not in folders:
            folders[backend] = tmp_path_factory.mktemp(backend)
            finish(start, folders[backend], backend)
        return folders[backend]

    return of


def test_a_backup_changes_nothing(start, reference, tmp_path):
    finish(start, tmp_path, "numpy", backup=False)
    assert_same(tmp_path, reference("numpy"), "without a backup")


@pytest.mark.parametrize(("backend", "kills"), [("numpy", 20), ("numba", 4)])
def test_killed_at_random_moments(backend, kills, start, reference, tmp_path):
    expected = reference(backend)
    seed = random.SystemRandom().randrange(10**6)
    delays, done, trainings = random.Random(seed), 0, 0
    while done < kills:
        trainings += 1
        told = f"seed {seed}, training {trainings}"
        folder = tmp_path / str(trainings)
        folder.mkdir()
        while done < kills and kill_after(start, folder, backend, delays.uniform(0, LONGEST_DELAY)):
            done += 1
            if (folder / "result.npz").exists():  # killed on its way out: the training is over
                break
        if not (folder / "result.npz").exists():
            finish(start, folder, backend)
        assert_same(folder, expected, told)


@pytest.mark.parametrize("where", ["numpy.savez", "os.fsync", "os.replace"])
@pytest.mark.parametrize("step", [3, 45])
def test_killed_while_the_backup_is_written(where, step, start, reference, tmp_path):
    process, _ = start(tmp_path, "numpy", kill=(step, where))
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    if where != "os.fsync":  # that one is of the CSV log
        (left,) = (tmp_path / "backup").glob(".*.tmp")
        assert left.stat().st_size > 0
    finish(start, tmp_path, "numpy")
    assert_same(tmp_path, reference("numpy"), where)
