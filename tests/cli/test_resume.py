"""`tinyconv train --resume` after a kill, at whatever moment."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinyconv

typer = pytest.importorskip("typer")
pytest.importorskip("h5py")
pytest.importorskip("matplotlib")

from tests.cli.here import command  # noqa: E402
from tinyconv.cli import run_state  # noqa: E402

ROOT = Path(tinyconv.__file__).resolve().parents[1]
OPTIONS = ("--dataset", "digits", "--model", "dense", "--epochs", "30", "--backend", "numpy")


def start(folder, *arguments):
    code = "from tinyconv.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, "train", *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(folder, *arguments):
    """(exit status, stdout, stderr)."""
    process = start(folder, *arguments)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def kill_in_training(folder, delay, *arguments):
    """Whether the run was killed while it trained."""
    process = start(folder, *arguments)
    for line in process.stdout:
        if line.startswith("Training with"):
            break
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def weights(folder):
    return tinyconv.models.load_model(folder / "model.keras").get_weights()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that was never killed, and what it printed."""
    base = tmp_path_factory.mktemp("whole")
    status, output, errors = run(base, *OPTIONS)
    assert status == 0, errors
    return base / "runs" / "digits-dense", output


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(whole, tmp_path):
    folder = tmp_path / "runs" / "digits-dense"
    seed = random.SystemRandom().randrange(10**6)
    delays, killed = random.Random(seed), 0
    arguments = OPTIONS
    while killed < 3:
        if not kill_in_training(tmp_path, delays.uniform(0.05, 0.6), *arguments):
            shutil.rmtree(tmp_path / "runs")  # it had come to its end: once more
            arguments = OPTIONS
            continue
        killed += 1
        arguments = ("--resume", "runs/digits-dense") if killed % 2 else ("--resume",)
    status, output, errors = run(tmp_path, *arguments)
    assert status == 0, (errors, seed)
    assert re.search(
        r"^Going on with runs/digits-dense (from epoch \d+(, step \d+)?|from the beginning"
        r"|after its last epoch)$", output, re.MULTILINE,
    )  # fmt: skip
    assert output.splitlines()[-2:] == whole[1].splitlines()[-2:]
    assert sorted(os.listdir(folder)) == sorted(os.listdir(whole[0]))
    assert (folder / "history.csv").read_text() == (whole[0] / "history.csv").read_text()
    for weight, expected in zip(weights(folder), weights(whole[0]), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_a_run_killed_after_training_writes_what_was_missing(whole, tmp_path):
    code = (
        "import os, signal, tinyconv; from tinyconv.cli import main\n"
        "tinyconv.Sequential.save = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "main()"
    )
    training = [sys.executable, "-c", code, "train", *OPTIONS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(training, cwd=tmp_path, env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    status, output, errors = run(tmp_path, "--resume")
    assert status == 0, errors
    assert output.splitlines()[-1] == whole[1].splitlines()[-1]
    folder = tmp_path / "runs" / "digits-dense"
    assert sorted(os.listdir(folder)) == sorted(os.listdir(whole[0]))
    for weight, expected in zip(weights(folder), weights(whole[0]), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_what_cannot_be_resumed_is_said(whole, tmp_path):
    folder, _ = whole
    text = f"Error: the run in {folder} has finished: nothing is left to resume\n"
    assert command(tmp_path, "train", "--resume", str(folder))[::2] == (1, text)
    text = "Error: no unfinished run in {}/{}. Start one with: tinyconv train\n"
    assert command(tmp_path, "train", "--resume")[::2] == (1, text.format("runs", ""))
    elsewhere = command(tmp_path, "train", "--resume", "--out", str(folder.parent))
    assert elsewhere[::2] == (1, text.format(folder.parent, " (all there have finished)"))
    status, _, errors = command(tmp_path, "train", "--resume", "nowhere")
    assert status == 1
    assert errors == (
        "Error: nowhere is not the folder of a run that can be resumed: no run.json in it\n"
    )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text('{"dataset"')
    status, _, errors = command(tmp_path, "train", "--resume", "broken")
    assert status == 1
    assert errors.startswith("Error: broken/run.json is damaged: ")
    assert "Traceback" not in errors


GOOD = {
    "dataset": "digits", "model": "dense", "epochs": 3, "batch_size": 32, "backend": "numpy",
    "seed": 0, "limit": None, "finished": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "cifar"}, "dataset: expected one of fashion_mnist, mnist, digits. Rec.*cifar"),
        ({"dataset": None}, "dataset: expected one of"),
        ({"model": []}, "model: expected one of cnn, dense"),
        ({"epochs": "3"}, "epochs: expected a whole number, at least 1. Received: '3'"),
        ({"epochs": 0}, "epochs: expected a whole number, at least 1"),
        ({"batch_size": 2.5}, "batch_size: expected a whole number"),
        ({"backend": "abacus"}, "backend: expected one of"),
        ({"seed": -1}, "seed: expected a whole number, at least 0"),
        ({"seed": True}, "seed: expected a whole number"),
        ({"limit": 1}, "limit: expected a whole number, at least 2"),
        ({"finished": 0}, "finished: expected one of False, True. Received: 0"),
        ({"speed": 9}, "expected values for backend, batch_size, dataset"),
    ],
    ids=str,
)  # fmt: skip
def test_junk_in_the_options_of_a_run_is_named(change, message, tmp_path, capsys):
    (tmp_path / "run.json").write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(typer.Exit):
        run_state.unfinished(tmp_path, tmp_path)
    assert re.search(f"run.json is damaged: {message}", capsys.readouterr().err)
    (tmp_path / "run.json").write_text(json.dumps(GOOD))
    assert run_state.unfinished(tmp_path, tmp_path) == (tmp_path, GOOD)


def test_what_is_no_option_is_shortened(tmp_path, capsys):
    (tmp_path / "run.json").write_text(json.dumps({**GOOD, "seed": "\x1b[2J" * 9999}))
    with pytest.raises(typer.Exit):
        run_state.unfinished(tmp_path, tmp_path)
    told = capsys.readouterr().err
    assert "run.json is damaged: seed: expected a whole number" in told
    assert len(told) < 1000
    assert "\x1b" not in told


@pytest.mark.parametrize("place", ["history.csv", "backup/backup.npz", "run.json"])
@pytest.mark.parametrize("kind", [os.symlink, os.link])
def test_a_run_whose_files_are_those_of_others_is_not_resumed(place, kind, tmp_path, capsys):
    folder, other = tmp_path / "run", tmp_path / "notes.txt"
    (folder / "backup").mkdir(parents=True)
    other.write_text(json.dumps(GOOD))
    (folder / "run.json").write_text(json.dumps(GOOD))
    assert run_state.unfinished(tmp_path, None) == (folder, GOOD)
    (folder / place).unlink(missing_ok=True)
    kind(other, folder / place)
    for given in (folder, None):
        with pytest.raises(typer.Exit):
            run_state.unfinished(tmp_path, given)
        assert f"{place} is a link to another file" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[]", "null", "3", json.dumps(list(GOOD)), "[" * 9999])
def test_options_of_a_run_that_are_none(content, tmp_path, capsys):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(typer.Exit):
        run_state.unfinished(tmp_path, tmp_path)
    assert "run.json is damaged: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--resume", "--epochs", "3"), "--epochs"),
        (("--resume", "--batch-size", "8"), "--batch-size"),
        (("runs/digits-dense",), "together with --resume"),
    ],
)
def test_options_that_make_no_sense_with_it(arguments, message, tmp_path):
    status, _, errors = command(tmp_path, "train", *arguments)
    assert status == 2
    assert message in errors


def test_a_run_that_is_going_on_is_left_alone(tmp_path):
    process = start(tmp_path, *OPTIONS[:4], "--epochs", "100000", "--backend", "numpy")
    for line in process.stdout:
        if line.startswith("Epoch 1"):
            break
    status, _, errors = command(tmp_path, "train", "--resume")
    process.kill()
    process.communicate()
    assert (status, errors) == (
        1, "Error: the run in runs/digits-dense is still going on, in another process\n",
    )  # fmt: skip


def test_a_damaged_backup_is_named(tmp_path):
    assert kill_in_training(tmp_path, 0.6, *OPTIONS[:4], "--epochs", "1000", "--backend", "numpy")
    backup = tmp_path / "runs" / "digits-dense" / "backup" / "backup.npz"
    backup.write_bytes(backup.read_bytes()[:-100])
    status, _, errors = command(tmp_path, "train", "--resume")
    assert status == 1
    assert errors.startswith("Error: runs/digits-dense/backup/backup.npz is damaged")
    assert "Traceback" not in errors
    options = json.loads((backup.parents[1] / "run.json").read_text())
    assert options["epochs"] == 1000
    assert options["finished"] is False


def test_ctrl_c_tells_how_to_go_on(tmp_path, interruptible):
    backup = tmp_path / "runs" / "digits-dense" / "backup"
    endless = (*OPTIONS[:4], "--epochs", "100000", *OPTIONS[6:])
    for arguments in (endless, ("--resume", "runs/digits-dense")):
        old = {file.stat().st_mtime_ns for file in backup.glob("*.npz")}
        process = start(tmp_path, *arguments)
        while {file.stat().st_mtime_ns for file in backup.glob("*.npz")} <= old:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 130, errors
        assert "Stopped in epoch" in output
        assert output.endswith("Go on with: tinyconv train --resume runs/digits-dense\n")
        assert "Traceback" not in errors
