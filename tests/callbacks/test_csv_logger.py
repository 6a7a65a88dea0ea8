"""CSVLogger writes what Keras' writes."""

import os
from io import FileIO

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

from tests.training.models import classifier, problem  # noqa: E402
from tinyconv.callbacks import CSVLogger  # noqa: E402

EPOCHS = {
    "plain": [{"loss": 0.5, "accuracy": 0.25}, {"loss": 1e-12, "accuracy": 1.0}],
    "validated": [{"loss": 0.5, "val_loss": 0.1}, {"loss": 0.25}, {"loss": 0.1, "val_loss": 3.0}],
    "validated later": [{"loss": 0.5}, {"loss": 0.25, "val_loss": 0.1}],
    "odd values": [{"loss": np.float32(0.1), "many": np.arange(3), "text": "a,b", "one": [1.5]}],
}


def drive(callback, epochs):
    callback.on_train_begin()
    for epoch, logs in enumerate(epochs):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, dict(logs))
    callback.on_train_end()


@pytest.mark.parametrize("arguments", [{}, {"separator": ";"}, {"append": True}], ids=str)
@pytest.mark.parametrize("epochs", EPOCHS.values(), ids=EPOCHS)
def test_the_bytes_are_those_of_keras(epochs, arguments, tmp_path):
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    for make, path in ((CSVLogger, ours), (keras.callbacks.CSVLogger, theirs)):
        for _ in range(2):  # the second training overwrites or appends
            drive(make(str(path), **arguments), epochs)
    assert ours.read_bytes() == theirs.read_bytes()


def test_each_row_is_there_when_its_epoch_ends(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("old\n" * 50)
    callback = CSVLogger(path)
    callback.on_train_begin()
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        assert path.read_text().count("\n") == (1 + epoch if epoch else 0)
        callback.on_epoch_end(epoch, {"loss": 1.0})
        assert path.read_text().count("\n") == 2 + epoch
    callback.close()


def test_rows_after_the_backup_are_written_again(tmp_path):
    path = tmp_path / "log.csv"
    killed = CSVLogger(path)
    killed.on_train_begin()
    states = []
    for epoch in range(2):
        killed.on_epoch_begin(epoch)
        killed.on_epoch_end(epoch, {"loss": 1.0 + epoch})
        states.append(killed.get_state())
    resumed = CSVLogger(path)
    resumed.on_train_begin()
    assert path.read_text().count("\n") == 3  # nothing is lost before the state is there
    resumed.set_state(states[0])
    for epoch in (1, 2):
        resumed.on_epoch_begin(epoch)
        resumed.on_epoch_end(epoch, {"loss": 1.0 + epoch})
    resumed.on_train_end()
    text = "epoch,loss,val_loss\n0,1.0,NA\n1,2.0,NA\n2,3.0,NA\n"
    assert path.read_text() == text


def test_missing_rows_are_told(tmp_path):
    path = tmp_path / "log.csv"
    callback = CSVLogger(path)
    callback.on_train_begin()
    with pytest.raises(ValueError, match=r"log\.csv has 0 bytes, and had 99 .*rows are missing"):
        callback.set_state({"size": 99, "keys": None})


def test_a_path_that_cannot_be_written_is_told_before_training(tmp_path):
    model = classifier()
    with pytest.raises(OSError, match=r"CSVLogger: there is no folder .*nowhere"):
        model.fit(*problem(), verbose=0, callbacks=CSVLogger(tmp_path / "nowhere" / "log.csv"))
    assert model.optimizer.iterations == 0
    with pytest.raises(ValueError, match=r"separator must be one character\. Received: '; '"):
        CSVLogger("log.csv", separator="; ")


def test_a_full_disk_takes_a_row_whole_or_not_at_all(tmp_path, monkeypatch):
    class Full(FileIO):
        def write(self, content):
            if self.tell() + len(content) > 50:
                if self.tell() < 45:
                    return super().write(content[: 45 - self.tell()])
                raise OSError(28, "No space left on device")
            return super().write(content)

    monkeypatch.setattr("tinyconv.callbacks.csv_logger.FileIO", Full)
    file = tmp_path / "log.csv"
    logger = CSVLogger(file)
    with pytest.raises(OSError, match=r"CSVLogger: No space left on device.*log\.csv"):
        drive(logger, [{"loss": 0.5}] * 9)
    logger.close()
    assert file.read_text().splitlines()[0] == "epoch,loss,val_loss"
    assert file.read_text().endswith("0.5,NA\n")
    assert file.stat().st_size < 45
