"""A training that is killed: `work` is what its process does, all of it."""

import os
import signal

import numpy as np

import tinyconv as tc
from tinyconv.callbacks import BackupAndRestore, Callback, CSVLogger, EarlyStopping

EPOCHS, SAVE_FREQ = 4, 3


class Wanders(Callback):
    """Changes the learning rate by what it has seen in all the steps before."""

    def on_train_begin(self, logs=None):
        self.seen = np.zeros(2)

    def on_train_batch_end(self, batch, logs=None):
        self.seen += [logs["loss"], 1]

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.01 / (1 + self.seen[0] / self.seen[1])

    def get_state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = state["seen"].copy()


class TellsTheFirstStep(Callback):
    """So that the test knows that training is under way."""

    def __init__(self, pipe):
        self.pipe = pipe

    def on_train_batch_end(self, batch, logs=None):
        if self.pipe is not None:
            self.pipe.send("under way")
            self.pipe = None


class KillsItself(Callback):
    """While the backup that follows the given step of this process is being written."""

    def __init__(self, step, where):
        self.steps, self.where = step, where

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if self.steps == 0:
            module, name = self.where.split(".")

            def kill(*arguments, **keywords):
                if name == "savez":  # half of the file is there
                    arguments[0].write(b"PK\3\4 and no more")
                    arguments[0].flush()
                os.kill(os.getpid(), signal.SIGKILL)

            setattr({"os": os, "numpy": np}[module], name, kill)


def network():
    """A convolution, moving statistics and two kinds of dropout."""
    layers = tc.layers
    model = tc.Sequential(
        [
            layers.Conv2D(4, 3, input_shape=(8, 8, 1), activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.2, seed=3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(folder, *more, backup=True):
    """What a user's program would do; called again after each kill."""
    tc.utils.set_random_seed(11)
    (x, y), (x_test, y_test) = tc.data.digits.load_data()
    model = network()
    stopper = EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    keeper = [BackupAndRestore(folder / "backup", save_freq=SAVE_FREQ)] if backup else []
    history = model.fit(
        x[:300] / 16.0, y[:300], 10, EPOCHS, verbose=0,
        validation_data=(x_test[:50] / 16.0, y_test[:50]),
        callbacks=[
            *keeper,
            CSVLogger(folder / "log.csv"), Wanders(), stopper, *more,
        ],
    )  # fmt: skip
    arrays = {f"weight {i}": w for i, w in enumerate(model.get_weights())}
    arrays |= {f"slot {name}": slot for name, slot in model.optimizer.slots.items()}
    arrays |= {f"history {name}": values for name, values in history.history.items()}
    arrays |= {f"best {i}": w for i, w in enumerate(stopper.best_weights)}
    arrays["epoch"] = history.epoch
    arrays["optimizer"] = [model.optimizer.iterations, model.optimizer.learning_rate]
    arrays["random"] = tc.random.generator().random(4)
    return arrays


def work(pipe, folder, backend, backup=True, kill=None):
    """Train, and leave what came out in folder/result.npz.

    Args:
        pipe: is told when the first step is done.
        kill: (step, where) of `KillsItself`.
    """
    tc.use_backend(backend)
    killer = [KillsItself(*kill)] if kill else []
    outcome = train(folder, TellsTheFirstStep(pipe), *killer, backup=backup)
    np.savez(folder / "part.npz", **outcome)
    os.replace(folder / "part.npz", folder / "result.npz")
