"""Backups that do not fit, are damaged, or can't be written: told, and nothing has changed."""

import os

import numpy as np
import pytest

import tinyconv as tc
from tests.callbacks.interrupted import (
    Fails,
    X,
    Y,
    adam,
    adam_network,
    decaying,
    interrupted,
    network,
)
from tests.training.models import classifier, problem
from tinyconv.callbacks import BackupAndRestore, Callback, EarlyStopping
from tinyconv.saving.errors import FileError


def functional():
    x = tc.Input((4,))
    model = tc.Model(x, tc.layers.Dense(3, activation="softmax")(x))
    model.compile(adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def without_metrics():
    model = adam_network()
    model.compile(adam(), "sparse_categorical_crossentropy")
    return model


def frozen():
    model = adam_network()
    model.layers[0].trainable = False
    model.compile(adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            lambda: adam_network(7),
            r"dense(_\d+)?/kernel \('kernel', \(4, 7\).*Received: .*\(4, 6\)",
        ),
        (functional, r"a number of weights of 2\. Received: 8"),
        (lambda: network(tc.optimizers.RMSprop), r"the optimizer RMSprop\. Received: Adam"),
        (lambda: network(decaying), r"the optimizer SGD\. Received: Adam"),
        (without_metrics, r"the metrics \['loss'\]\. Received: \['loss', 'accuracy'\]"),
        (frozen, r"kernel: trainable False\. Received: True"),
    ],
    ids=["units", "layers", "optimizer", "schedule", "metrics", "frozen"],
)
def test_a_backup_of_another_training_is_refused(other, message, tmp_path):
    interrupted(tmp_path, adam_network)
    content = (tmp_path / "backup.npz").read_bytes()
    model = other()
    before, state = model.get_weights(), tc.random.get_state()
    with pytest.raises(FileError, match=rf"backup\.npz: a backup of another training.*{message}"):
        model.fit(X, Y, 8, 4, verbose=0, callbacks=BackupAndRestore(tmp_path))
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert model.optimizer.iterations == 0
    assert tc.random.get_state() == state
    assert (tmp_path / "backup.npz").read_bytes() == content


def test_another_schedule_or_batch_size_is_refused(tmp_path):
    interrupted(tmp_path, lambda: network(decaying))

    def slower():
        decay = tc.optimizers.schedules.ExponentialDecay(0.1, 9, 0.9)
        return tc.optimizers.SGD(decay, momentum=0.9)

    with pytest.raises(FileError, match=r"the learning rate .*'decay_steps': 9"):
        network(slower).fit(X, Y, 8, 4, verbose=0, callbacks=BackupAndRestore(tmp_path))
    with pytest.raises(FileError, match=r"steps an epoch 10\. Received: 5"):
        network(decaying).fit(X, Y, 4, 4, verbose=0, callbacks=BackupAndRestore(tmp_path))


@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4 and so on", None], ids=["empty", "foreign", "cut"]
)
def test_a_damaged_backup_is_never_ignored(content, tmp_path):
    interrupted(tmp_path, adam_network)
    file = tmp_path / "backup.npz"
    file.write_bytes(file.read_bytes()[:-200] if content is None else content)
    model = adam_network()
    before = model.get_weights()
    with pytest.raises(FileError, match=r"backup\.npz is damaged.*Delete it to start anew"):
        model.fit(X, Y, 8, 4, verbose=0, callbacks=BackupAndRestore(tmp_path))
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)
    file.unlink()
    assert len(model.fit(X, Y, 8, 4, verbose=0, callbacks=BackupAndRestore(tmp_path)).epoch) == 4


def test_a_callback_that_is_gone_is_told(tmp_path):
    model = adam_network()
    with pytest.raises(RuntimeError, match="the power went"):
        model.fit(
            X, Y, 8, 4, verbose=0,
            callbacks=[BackupAndRestore(tmp_path, 2), EarlyStopping("loss"), Fails(3)],
        )  # fmt: skip
    with pytest.warns(UserWarning, match="state of a EarlyStopping, which is not among"):
        adam_network().fit(X, Y, 8, 4, verbose=0, callbacks=BackupAndRestore(tmp_path))


def test_a_state_that_cannot_be_kept_is_told(tmp_path):
    class Odd(Callback):
        def get_state(self):
            return {"made": object()}

    with pytest.raises(TypeError, match=r"\['made'\].*Received: object"):
        adam_network().fit(X, Y, verbose=0, callbacks=[BackupAndRestore(tmp_path), Odd()])
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_the_backup_before(tmp_path, monkeypatch):
    interrupted(tmp_path, adam_network)
    content = (tmp_path / "backup.npz").read_bytes()

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    told = r"BackupAndRestore: No space left on device.*backup\.npz"
    with pytest.raises(OSError, match=told):
        adam_network().fit(X, Y, 8, 4, verbose=0, callbacks=BackupAndRestore(tmp_path))
    assert (tmp_path / "backup.npz").read_bytes() == content
    assert os.listdir(tmp_path) == ["backup.npz"]


def test_nothing_but_the_backup_is_deleted(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    classifier().fit(*problem(), verbose=0, callbacks=BackupAndRestore(tmp_path))
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_wrong_arguments():
    with pytest.raises(ValueError, match="backup_dir must name a folder"):
        BackupAndRestore("")
    for wrong in (0, -1, False, 2.5, "batch", None):
        with pytest.raises(ValueError, match='save_freq must be "epoch" or a positive number'):
            BackupAndRestore("b", save_freq=wrong)
