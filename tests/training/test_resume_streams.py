"""BackupAndRestore over streams: a new process' model goes on bit for bit."""

import numpy as np
import pytest

from tests.training.pipelines import Anew, cut, endless
from tests.training.test_position import SETUPS, X, Y, network
from tinyconv.callbacks import BackupAndRestore, Callback


class Killed(BaseException):
    """What no callback survives."""


class Kill(Callback):
    def __init__(self, at):
        self.left = at

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise Killed


@pytest.mark.parametrize("at", [1, 4, 9])
@pytest.mark.parametrize("setup", ["iterable", "reshuffled tf.data", "endless generator", "items"])
def test_a_new_model_goes_on(setup, at, tmp_path):
    make, arguments = SETUPS[setup]

    def train(*callbacks):
        model = network()
        model.fit(*make(), epochs=4, verbose=0, callbacks=list(callbacks), **arguments)
        return model

    whole = train()
    backup = {"backup_dir": str(tmp_path), "save_freq": 1}
    with pytest.raises(Killed):
        train(BackupAndRestore(**backup), Kill(at))
    model = train(BackupAndRestore(**backup))
    for weight, expected in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert model.history.history == whole.history.history
    assert model.input_record == whole.input_record


def test_the_record_of_a_resumed_first_epoch_is_whole(tmp_path):
    x = np.concatenate([X, 5 * X])
    y = np.concatenate([Y, Y])
    backup = {"backup_dir": str(tmp_path), "save_freq": 1}
    model = network()
    with pytest.raises(Killed):
        model.fit(
            endless(cut((x, y), 4)), steps_per_epoch=7, verbose=0,
            callbacks=[BackupAndRestore(**backup), Kill(3)],
        )  # fmt: skip
    model = network()
    model.fit(
        endless(cut((x, y), 4)),
        steps_per_epoch=7,
        verbose=0,
        callbacks=[BackupAndRestore(**backup)],
    )
    twin = network()
    twin.fit(Anew(cut((x, y), 4)), verbose=0)
    assert model.input_record == twin.input_record
    assert model.input_record[0].count == x.size
