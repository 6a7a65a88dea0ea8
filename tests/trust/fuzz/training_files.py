"""Readers of what a training leaves: backups, kept features, run folders, CSV files."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import typer

import tinyconv
from tests.trust.fuzz import archives, values
from tests.trust.fuzz.damage import damaged
from tests.trust.fuzz.model_files import same_state, small, state_of
from tests.trust.fuzz.reader import Reader, require
from tinyconv import callbacks
from tinyconv.callbacks.state_file import read_state, write_state
from tinyconv.cli import run_state
from tinyconv.saving.errors import FileError
from tinyconv.training.feature_file import FILE_NAME, check_file, read_features, write_features
from tinyconv.training.feature_store import FeatureStore

_RNG = np.random.default_rng(4)
_X, _Y = _RNG.random((8, 4), "float32"), _RNG.random((8, 2), "float32")
_EPOCHS = 3


class _StopError(Exception):
    """Ends a training in the middle."""


class _Stops(callbacks.Callback):
    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps -= 1
        if not self.steps:
            raise _StopError


class Backup(Reader):
    """`BackupAndRestore`: `fit` finds the file and goes on from it."""

    name, share, allowed = "backup", 3, (FileError,)

    def __init__(self, folder: Path) -> None:
        tinyconv.use_backend("numpy")
        super().__init__(folder)
        self.file = folder / "backup" / "backup.npz"
        self.good, self.trees = [], []
        for steps in (3, 5, 6):
            shutil.rmtree(folder / "backup", ignore_errors=True)
            (folder / "log.csv").unlink(missing_ok=True)
            with contextlib.suppress(_StopError):
                self._fit(_Stops(steps))
            self.good.append(self.file.read_bytes())
            self.trees.append(read_state(self.file))
        self.log = (folder / "log.csv").read_bytes()

    def _fit(self, *more: callbacks.Callback) -> Any:
        tinyconv.utils.set_random_seed(3)
        self.model = small()
        self.before, self.random = state_of(self.model), tinyconv.random.get_state()
        watching = [
            callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True),
            callbacks.ReduceLROnPlateau("loss"),
            callbacks.CSVLogger(self.folder / "log.csv", append=True),
            callbacks.ModelCheckpoint(str(self.folder / "c.weights.h5"), "loss", 0, True, True),
        ]
        keeps = callbacks.BackupAndRestore(self.file.parent, 1, delete_checkpoint=False)
        self.model.fit(_X, _Y, 4, _EPOCHS, verbose=0, callbacks=[*watching, keeps, *more])
        return self.model

    def make(self, rng: Random) -> str:
        (self.folder / "log.csv").write_bytes(self.log)
        number, way = rng.randrange(len(self.good)), rng.choice(("bytes", "zip", "arrays", "state"))
        self.file.parent.mkdir(exist_ok=True)
        self.file.unlink(missing_ok=True)
        if way == "state":
            tree, how = _changed_state(rng, self.trees[number])
            try:
                write_state(self.file, tree)
            except (TypeError, ValueError, UnicodeError):  # not to be written, so never read
                self.file.write_bytes(self.good[0])
            return f"state {how}"
        content = self.good[number]
        if way == "bytes":
            content, how = damaged(rng, content, self.good)
        else:
            members = archives.entries_of(content)
            if way == "zip":
                content, how = archives.hostile(rng, members)
            else:
                content, how = _changed_member(rng, members)
        self.file.write_bytes(content)
        return how

    def read(self) -> Any:
        try:
            return self._fit()
        except FloatingPointError:  # of weights that are no numbers, and fit says so
            return self.model

    def check_accepted(self, result: Any) -> None:
        require(result.optimizer.iterations >= 0, "steps")

    def check_refused(self) -> None:
        require(same_state(self.model, self.before), "the model has changed")
        require(tinyconv.random.get_state() == self.random, "the random numbers have changed")
        require((self.folder / "log.csv").read_bytes() == self.log, "the log has changed")


def _changed_state(rng: Random, tree: dict[str, Any]) -> tuple[Any, str]:
    """Another state, its arrays among the values that change."""
    tree, how = values.changed(rng, tree)
    if rng.random() < 0.2 and isinstance(tree, dict):
        with contextlib.suppress(LookupError, TypeError, ValueError):
            pair = rng.choice(tree["weights"])
            now = np.asarray(pair[1])
            pair[1] = rng.choice((np.zeros(0), now.T, now.astype("f8"), now * np.float32("nan")))
    return tree, how


def _changed_member(rng: Random, members: list[tuple[str, bytes]]) -> tuple[bytes, str]:
    """One .npy file inside changed, with the right checksum around it."""
    number = rng.randrange(len(members))
    name, content = members[number]
    if rng.random() < 0.3:
        header, body = content[:10], content[10:]
        wrong = rng.choice(
            (b"'descr': '|O'", b"'descr': '<f8'", b"'shape': (10000000000,)", b"'shape': (-1,)")
        )
        content = header + body.replace(rng.choice((b"'descr': '<f4'", b"'shape': ()")), wrong)
        how = "npy header"
    else:
        content, how = damaged(rng, content)
    members[number] = name, content
    return archives.archive([archives.entry(*each) for each in members]), f"npy {how}"


class Features(Reader):
    """Kept features: what is damaged is told and computed again."""

    name, share, allowed, named = "features", 2, (FileError,), True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / FILE_NAME
        store = FeatureStore(1 << 20, folder)
        for number in range(5):
            store.add(bytes([number]) * 16, [_X[number], _Y[number : number + 1]])
        write_features(self.file, "fingerprint", store)
        self.good = self.file.read_bytes()
        first, second, self.rows = self.good.split(b"\n", 2)
        self.first, self.header = first, json.loads(second)

    def make(self, rng: Random) -> str:
        if rng.random() < 0.5:
            content, how = damaged(rng, self.good)
        else:
            header, how = values.changed(rng, self.header)
            text = values.text_of(rng, header).encode("utf-8", "surrogatepass")
            rows = damaged(rng, self.rows)[0] if rng.random() < 0.2 else self.rows
            content, how = b"\n".join((self.first, text, rows)), f"header {how}"
        self.file.write_bytes(content)
        return how

    def read(self) -> Any:
        check_file(self.file)
        self.store = FeatureStore(1 << 20, self.folder)
        return read_features(self.file, "fingerprint", self.store)

    def check_accepted(self, result: Any) -> None:
        if result is not None:
            require(isinstance(result, str) and not len(self.store), "rows of a damaged file")
            return
        for key in self.store:
            for array in self.store.get(key) or ():
                require(array.dtype.kind == "f", f"features of {array.dtype}")


class Run(Reader):
    """`run.json`: what `tinyconv train --resume` goes on with."""

    name, share, allowed, named = "run.json", 1, (ValueError,), True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "run" / "run.json"
        self.file.parent.mkdir()
        self.options = {
            "dataset": "digits", "model": "cnn", "epochs": 3, "batch_size": 32, "backend": "numpy",
            "seed": 0, "limit": None,
        }  # fmt: skip
        run_state.write(self.file.parent, self.options)
        self.good = self.file.read_bytes()

    def make(self, rng: Random) -> str:
        if rng.random() < 0.5:
            content, how = damaged(rng, self.good)
        else:
            tree, how = values.changed(rng, json.loads(self.good))
            content = values.text_of(rng, tree).encode("utf-8", "surrogatepass")
        self.file.write_bytes(content)
        self.named_folder = rng.random() < 0.5
        return how

    def read(self) -> Any:
        """The command's own error as a ValueError with what it printed."""
        told = io.StringIO()
        try:
            with contextlib.redirect_stderr(told):
                given = self.file.parent if self.named_folder else None
                folder, options = run_state.unfinished(self.folder, given)
                run_state.reached(folder, options)
        except typer.Exit as end:
            require(end.exit_code == 1, f"status {end.exit_code}")
            said = told.getvalue()
            if "nothing is left" in said or "have finished" in said:
                return None
            raise ValueError(said) from None
        return options

    def check_accepted(self, result: Any) -> None:
        if result is None:
            return
        require(set(result) == {*self.options, "finished"}, "other options")
        tinyconv.utils.set_random_seed(result["seed"])
        require(len(_X[: result["limit"]]) > 0, "no images")


class Log(Reader):
    """`CSVLogger` that appends to a file, and that goes on from a state."""

    name, share, allowed, named = "csv", 1, (ValueError,), True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "history.csv"
        self.good = b"epoch,loss,val_loss\n0,1.0,NA\n1,0.5,NA\n"
        self.state = {"size": len(self.good), "keys": ["loss", "val_loss"]}

    def make(self, rng: Random) -> str:
        self.resumed = None
        self.content, how = damaged(rng, self.good)
        if rng.random() < 0.5:
            self.content = self.good
            self.resumed, how = values.changed(rng, self.state)
        self.file.write_bytes(self.content)
        return how

    def read(self) -> Any:
        logger = callbacks.CSVLogger(self.file, append=True)
        try:
            logger.on_train_begin()
            if self.resumed is not None:
                logger.set_state(self.resumed)
            logger.on_epoch_begin(2)
            logger.on_epoch_end(2, {"loss": 0.25})
            logger.on_train_end()
        finally:
            logger.close()
        return logger

    def check_accepted(self, result: Any) -> None:
        content = self.file.read_bytes()
        kept = len(self.content)
        if self.resumed is not None:
            kept = self.resumed["size"]
        require(content[:kept] == self.content[:kept], "rows that were there have changed")
        rows = list(csv.reader(content[kept:].decode().splitlines()))
        require(bool(rows) and rows[-1][0] == "2", f"the new row is {rows}")

    def check_refused(self) -> None:
        require(self.file.read_bytes() == self.content, "the file has changed")
