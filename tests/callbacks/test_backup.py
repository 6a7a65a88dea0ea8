"""BackupAndRestore within one process; `test_kills` kills real ones."""

import os

import pytest

import tinyconv as tc
from tests.callbacks.interrupted import (
    Fails,
    X,
    Y,
    adam,
    adam_network,
    assert_same_training,
    decaying,
    interrupted,
    network,
    stream,
)
from tinyconv.callbacks import BackupAndRestore, EarlyStopping, LambdaCallback

FIT = {
    "arrays": lambda model, **more: model.fit(X, Y, 8, 4, validation_split=0.2, **more),
    "not shuffled": lambda model, **more: model.fit(X, Y, 8, 4, shuffle=False, **more),
    "every second validated": lambda model, **more: model.fit(
        X, Y, 8, 4, validation_data=(X, Y), validation_freq=2, **more
    ),
    "steps": lambda model, **more: model.fit(X, Y, 8, 4, steps_per_epoch=3, **more),
    "stream": lambda model, **more: model.fit(stream(), epochs=4, **more),
}


@pytest.mark.filterwarnings("ignore:.*the data ran out")
@pytest.mark.parametrize("make", [adam, decaying, tc.optimizers.SGD, tc.optimizers.RMSprop])
@pytest.mark.parametrize("save_freq", ["epoch", 1, 2, 4, 5])
@pytest.mark.parametrize("data", FIT)
def test_goes_on_as_if_nothing_had_been(data, save_freq, make, tmp_path):
    expected = network(make)
    FIT[data](expected, verbose=0)
    state = tc.random.get_state()
    for steps in (3, 4, 3, 2):  # fewer in all than the training has
        with pytest.raises(RuntimeError, match="the power went"):
            FIT[data](
                network(make), verbose=0,
                callbacks=[BackupAndRestore(tmp_path / "b", save_freq), Fails(steps)],
            )  # fmt: skip
    model = network(make)
    FIT[data](model, verbose=0, callbacks=[BackupAndRestore(tmp_path / "b", save_freq)])
    assert_same_training(model, expected)
    assert tc.random.get_state() == state
    assert not (tmp_path / "b").exists()


def test_the_other_callbacks_go_on_too(tmp_path):
    def callbacks(*more):
        return [
            BackupAndRestore(tmp_path / "backup", 2),  # given first, called last
            EarlyStopping("loss", patience=5, restore_best_weights=True),
            tc.callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5),
            tc.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9), *more,
        ]  # fmt: skip

    def fit(callbacks):
        model = network(lambda: tc.optimizers.SGD(2.0, momentum=0.9))
        model.fit(X, Y, 8, 30, verbose=0, callbacks=callbacks)
        return model

    expected = fit(callbacks()[1:])
    assert 5 < len(expected.history.epoch) < 30
    for steps in (4, 9, 3, 6):
        with pytest.raises(RuntimeError, match="the power went"):
            fit(callbacks(Fails(steps)))
    assert_same_training(fit(callbacks()), expected)


def test_of_two_backups_the_older_one_is_good_enough(tmp_path):
    expected = adam_network()
    expected.fit(X, Y, 8, 4, verbose=0)
    interrupted(tmp_path, adam_network, double_checkpoint=True)
    assert sorted(os.listdir(tmp_path)) == ["backup.npz", "backup.previous.npz"]
    (tmp_path / "backup.npz").write_bytes(b"damaged")
    model = adam_network()
    callback = BackupAndRestore(tmp_path, 2, double_checkpoint=True)
    with pytest.warns(UserWarning, match=r"damaged.*Going on from .*backup\.previous\.npz"):
        model.fit(X, Y, 8, 4, verbose=0, callbacks=callback)
    assert_same_training(model, expected)
    assert not tmp_path.exists()


def test_a_kill_between_the_two_renamings_leaves_the_older_one(tmp_path, monkeypatch):
    expected = adam_network()
    expected.fit(X, Y, 8, 4, verbose=0)
    interrupted(tmp_path, adam_network, double_checkpoint=True)
    (tmp_path / "backup.npz").unlink()
    model = adam_network()
    callback = BackupAndRestore(tmp_path, 2, double_checkpoint=True)
    model.fit(X, Y, 8, 4, verbose=0, callbacks=callback)
    assert_same_training(model, expected)


def test_a_backup_that_is_kept_leaves_nothing_to_do(tmp_path):
    model = adam_network()
    keep = {"delete_checkpoint": False}
    model.fit(X, Y, 8, 3, verbose=0, callbacks=BackupAndRestore(tmp_path, **keep))
    again, steps = adam_network(), []
    again.fit(
        X, Y, 8, 3, verbose=0,
        callbacks=[
            BackupAndRestore(tmp_path, **keep),
            LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch)),
        ],
    )  # fmt: skip
    assert not steps
    assert_same_training(again, model)
    more = adam_network()
    more.fit(X, Y, 8, 5, verbose=0, callbacks=BackupAndRestore(tmp_path, **keep))
    assert more.history.epoch == [0, 1, 2, 3, 4]


def test_progress_of_an_epoch_that_is_resumed(tmp_path, capsys):
    interrupted(tmp_path, adam_network)
    for verbose in (1, 2):
        keep = BackupAndRestore(tmp_path, "epoch", delete_checkpoint=False)
        adam_network().fit(X, Y, 8, 4, verbose=verbose, callbacks=keep)
        shown = [line for line in capsys.readouterr().out.splitlines() if "/4" in line]
        (tmp_path / "backup.npz").unlink()
        interrupted(tmp_path, adam_network)
        assert [line.split()[1] for line in shown] == ["2/4", "3/4", "4/4"]
        assert ["resumed" in line for line in shown] == [True, False, False]
