"""BackupAndRestore within one process; `test_kills` kills real ones."""

import os

import numpy as np
import pytest

import tinyconv as tc
from tests.training.models import assert_same_weights, classifier, problem
from tinyconv.callbacks import BackupAndRestore, Callback, EarlyStopping, LambdaCallback
from tinyconv.saving.errors import FileError

X, Y = problem(40)


class Fails(Callback):
    """An exception after so many steps."""

    def __init__(self, steps):
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if self.steps == 0:
            raise RuntimeError("the power went")


def network(optimizer="adam", units=6):
    tc.utils.set_random_seed(5)
    layers = tc.layers
    model = tc.Sequential(
        [
            layers.Dense(units, activation="relu", input_shape=(4,)),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dropout(0.3, seed=2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def adam():
    return tc.optimizers.Adam(0.01)


def decaying():
    return tc.optimizers.SGD(tc.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9), momentum=0.9)


def stream():
    """A data set that can be gone through anew."""

    class Batches:
        def __iter__(self):
            return iter([(X[i : i + 8], Y[i : i + 8]) for i in range(0, 40, 8)])

    return Batches()


FIT = {
    "arrays": lambda model, **more: model.fit(X, Y, 8, 4, validation_split=0.2, **more),
    "not shuffled": lambda model, **more: model.fit(X, Y, 8, 4, shuffle=False, **more),
    "every second validated": lambda model, **more: model.fit(
        X, Y, 8, 4, validation_data=(X, Y), validation_freq=2, **more
    ),
    "steps": lambda model, **more: model.fit(X, Y, 8, 4, steps_per_epoch=3, **more),
    "stream": lambda model, **more: model.fit(stream(), epochs=4, **more),
}


def assert_same_training(model, expected):
    assert_same_weights(model, expected)
    assert model.optimizer.iterations == expected.optimizer.iterations
    assert model.optimizer.learning_rate == expected.optimizer.learning_rate
    for name, slot in expected.optimizer.slots.items():
        np.testing.assert_array_equal(model.optimizer.slots[name], slot)
    assert model.history.history == expected.history.history
    assert model.history.epoch == expected.history.epoch
    assert model.history.epochs == expected.history.epochs
    assert [vars(record) for record in model.input_record] == [
        vars(record) for record in expected.input_record
    ]


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


def interrupted(folder, make=network, steps=7, **arguments):
    """A model whose training left a backup."""
    model = make()
    with pytest.raises(RuntimeError, match="the power went"):
        model.fit(
            X, Y, 8, 4, verbose=0,
            callbacks=[BackupAndRestore(folder, 2, **arguments), Fails(steps)],
        )  # fmt: skip
    return model


def adam_network(units=6):
    return network(adam, units)


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
    with pytest.raises(OSError, match="No space left"):
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
