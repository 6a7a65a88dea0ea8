"""Backups that were made to harm, and what else a resumed training finds in their place."""

import io
import os
import time
import zipfile

import numpy as np
import pytest

import tinyconv as tc
from tests.callbacks.interrupted import Fails, X, Y, adam_network
from tinyconv.callbacks import BackupAndRestore, CSVLogger, EarlyStopping, History, LambdaCallback
from tinyconv.callbacks.state_file import read_state, write_state
from tinyconv.saving.errors import FileError


def fit(folder, *callbacks, epochs=4):
    model = adam_network()
    model.fit(X, Y, 8, epochs, verbose=0, callbacks=[BackupAndRestore(folder, 2), *callbacks])
    return model


def interrupted(folder, *callbacks):
    with pytest.raises(RuntimeError, match="the power went"):
        fit(folder, *callbacks, Fails(7))
    return folder / "backup.npz"


def changed(file, change):
    state = read_state(file)
    change(state)
    file.unlink()
    write_state(file, state)


def state_of(state, name):
    return next(kept for each, kept in state["callbacks"] if each == name)


# ---- callbacks --------------------------------------------------------------------


def put(name, key, value):
    return lambda state: state_of(state, name).update({key: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("EarlyStopping", "best_weights", [np.zeros(3)]), "best weights are not of this model"),
        (put("EarlyStopping", "best_weights", []), "best weights are not of this model"),
        (put("History", "history", {"loss": 3}), "History: expected a list of values"),
        (put("History", "epochs", {}), "History: expected a list of values"),
        (put("CSVLogger", "keys", 5), "CSVLogger: .*log.csv: no state of it"),
        (put("CSVLogger", "keys", [3]), "CSVLogger: .*log.csv: no state of it"),
        (put("CSVLogger", "size", -5), "CSVLogger: .*log.csv: no state of it"),
        (put("CSVLogger", "size", 1.0), "no state of it|expected int"),
    ],
)
def test_a_state_that_a_callback_cannot_go_on_from(change, message, tmp_path):
    def watching():
        return (
            EarlyStopping("loss", patience=9, restore_best_weights=True),
            CSVLogger(tmp_path / "log.csv"),
        )

    file = interrupted(tmp_path / "backup", *watching())
    log = (tmp_path / "log.csv").read_bytes()
    changed(file, change)
    with pytest.raises(FileError, match=rf"backup\.npz: .*({message})"):
        fit(file.parent, *watching())
    assert (tmp_path / "log.csv").read_bytes() == log


def test_the_weights_of_the_best_epoch_travel(tmp_path):
    callbacks = [EarlyStopping("loss", patience=9, restore_best_weights=True)]
    interrupted(tmp_path, *callbacks)
    assert len(fit(tmp_path, *callbacks).history.epoch) == 4
    assert isinstance(fit(tmp_path).history, History)


# ---- positions --------------------------------------------------------------------


def test_an_epoch_beyond_all_has_nothing_left_to_do(tmp_path):
    file = interrupted(tmp_path)
    changed(file, lambda state: state["position"].update(epoch=10**15, step=0))
    begun = time.process_time()
    assert len(fit(tmp_path).history.epoch) == 1  # that of the backup
    assert time.process_time() - begun < 5


def test_a_step_behind_the_end_of_its_epoch(tmp_path):
    file = interrupted(tmp_path)
    changed(file, lambda state: state["position"].update(step=6))
    with pytest.raises(FileError, match=r"position\.step: expected at most the 5 steps .* 6"):
        fit(tmp_path)


def test_a_billion_epochs_cost_nothing_in_advance():
    def stop(epoch, logs):
        model.stop_training = epoch == 3

    model = adam_network()
    model.fit(
        X, Y, 8, 10**15, verbose=0, validation_data=(X, Y), validation_freq=2,
        callbacks=LambdaCallback(on_epoch_end=stop),
    )  # fmt: skip
    assert model.history.epochs["val_loss"] == [1, 3]
    assert model.history.epoch == [0, 1, 2, 3]
    model.fit(
        X, Y, 8, 8, verbose=0, initial_epoch=4, validation_data=(X, Y), validation_freq=3,
    )  # fmt: skip
    assert model.history.epochs["val_loss"] == [5]


# ---- the file ---------------------------------------------------------------------


def of_entries(path, **entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return path


def npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def text(content):
    return npy(np.frombuffer(content, "uint8"))


@pytest.mark.parametrize("shape", [b"(10000000000,)", b"(-1,)", b"(0,)"])
def test_an_array_of_another_size_than_it_says(shape, tmp_path, monkeypatch):
    content = npy(np.zeros(3, "f4")).replace(b"(3,), }" + b" " * (len(shape) - 4), shape + b", }")
    path = of_entries(tmp_path / "s.npz", state=text(b'{"a": {"<array>": 0, "scalar": 0}}'))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("0.npy", content)
    monkeypatch.delattr(np, "load")
    with pytest.raises(FileError, match=r"s\.npz is damaged.*'0\.npy' has not the size of float32"):
        read_state(path)


def test_one_array_for_a_thousand_places(tmp_path):
    path = of_entries(
        tmp_path / "s.npz",
        **{"0": npy(np.zeros(1000)), "state": text(b'{"a": [%s]}' % b", ".join(
            [b'{"<array>": 0, "scalar": false}'] * 1000))},
    )  # fmt: skip
    with pytest.raises(FileError, match=r"s\.npz is damaged.*entry '0' is named twice"):
        read_state(path)


@pytest.mark.parametrize("content", [b"\x93NUMPY\x09\0 and more", b"none"])
def test_an_entry_that_is_no_array(content, tmp_path):
    with pytest.raises(FileError, match=r"s\.npz is damaged"):
        read_state(of_entries(tmp_path / "s.npz", state=text(b"{}"), more=content))


def test_a_pipe_is_no_backup(tmp_path):
    if not hasattr(os, "mkfifo"):
        return  # Windows has none
    os.mkfifo(tmp_path / "backup.npz")
    model, before = adam_network(), tc.random.get_state()
    with pytest.raises(FileError, match=r"backup\.npz is no file"):
        model.fit(X, Y, 8, 1, verbose=0, callbacks=BackupAndRestore(tmp_path))
    assert tc.random.get_state() == before
