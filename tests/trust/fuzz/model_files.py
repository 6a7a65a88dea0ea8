"""Readers of models and weights: `.weights.h5`, `.h5`, `.keras`, and the JSON inside."""

from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

import tinyconv
from tests.saving import old_keras
from tests.saving.models import graph, network
from tests.trust.fuzz import archives, hdf5_edits, values
from tests.trust.fuzz.damage import damaged
from tests.trust.fuzz.reader import Reader, require
from tinyconv import layers
from tinyconv.applications import weights as applications
from tinyconv.saving import load_model, load_weights
from tinyconv.saving.errors import FileError

_MOST_VALUES = 1 << 26  # of a model from a file of less than a megabyte


def small() -> tinyconv.Model:
    """Two Dense layers, BatchNormalization between them, one step of Adam."""
    parts = [layers.Dense(3, "relu", name="one"), layers.BatchNormalization(name="norm")]
    model = tinyconv.Sequential(
        [tinyconv.Input((4,)), *parts, layers.Dense(2, name="two")], name="small"
    )
    model.compile("adam", "mse", metrics=["accuracy"])
    rng = np.random.default_rng(1)
    model.train_on_batch(rng.random((4, 4), "float32"), rng.random((4, 2), "float32"))
    return model


def state_of(model: tinyconv.Model) -> tuple[Any, ...]:
    """All that loading weights may change, to compare and to put back."""
    optimizer = model.optimizer
    slots = {name: np.array(slot) for name, slot in optimizer.slots.items()}
    weights = [np.array(weight) for weight in model.get_weights()]
    return weights, slots, int(optimizer.iterations), float(optimizer.learning_rate)


def same_state(model: tinyconv.Model, before: tuple[Any, ...]) -> bool:
    """Whether every bit is as it was."""
    now = state_of(model)
    arrays = zip([*now[0], *now[1].values()], [*before[0], *before[1].values()], strict=True)
    same = all(a.tobytes() == b.tobytes() for a, b in arrays)
    return same and list(now[1]) == list(before[1]) and now[2:] == before[2:]


def put_back(model: tinyconv.Model, before: tuple[Any, ...]) -> None:
    """Undo what an accepted file did."""
    model.set_weights(before[0])
    model.optimizer.slots = {name: slot.copy() for name, slot in before[1].items()}
    model.optimizer.iterations, model.optimizer.learning_rate = before[2:]


class _Saved(Reader):
    """What the readers of saved models share: good files of some models, and these models."""

    ending = ""

    def __init__(self, folder: Path) -> None:
        tinyconv.use_backend("numpy")
        super().__init__(folder)
        self.file = folder / f"file{self.ending}"
        self.models = [small(), network(), graph()]
        self.states = [state_of(model) for model in self.models]
        self.good = [self.saved(model) for model in self.models]
        # The small one is read soonest, so it is taken most often.
        self.chances = [6] + [1] * (len(self.good) - 1)

    def saved(self, model: tinyconv.Model) -> bytes:
        """A good file of it."""
        model.save(self.file)
        return self.file.read_bytes()

    def variants(self, contents: list[bytes]) -> list[bytes]:
        """HDF5 files in its older and newer layout, and compressed."""
        return [
            variant
            for each in contents
            for variant in (each, each, hdf5_edits.newer(each), hdf5_edits.packed(each))
        ]

    def choose(self, rng: Random) -> None:
        """Which model the next weights are for, and how they are asked for."""
        number = rng.choices(range(len(self.models)), (6, 1, 1))[0]
        self.model, self.before = self.models[number], self.states[number]
        self.options: dict[str, bool] = {}

    def load(self) -> tinyconv.Model:
        """The weights of the file into the chosen model."""
        load_weights(self.model, self.file, **self.options)
        return self.model

    def check_accepted(self, result: Any) -> None:
        if result is self.model:
            shapes = [weight.shape for weight in self.model.get_weights()]
            require(shapes == [weight.shape for weight in self.before[0]], "other shapes")
            put_back(self.model, self.before)
            return
        require(isinstance(result, tinyconv.Model), f"{result!r} is no model")
        require(not result.built or result.count_params() < _MOST_VALUES, "a giant model")
        result.get_config()
        if result.built:
            result.summary(print_fn=lambda line: None)

    def check_refused(self) -> None:
        require(same_state(self.model, self.before), "the model has changed")


class WeightsFile(_Saved):
    """`load_weights` of `.weights.h5`."""

    name, ending, share = "weights.h5", ".weights.h5", 3

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.good = self.variants(self.good)

    def saved(self, model: tinyconv.Model) -> bytes:
        model.save_weights(self.file)
        return self.file.read_bytes()

    def make(self, rng: Random) -> str:
        self.choose(rng)
        self.options = {"skip_mismatch": rng.random() < 0.2}
        number = self.models.index(self.model) * 4 + rng.randrange(4)
        content, how = _changed_hdf5(rng, self.good[number], self.good)
        self.file.write_bytes(content)
        return how

    def read(self) -> Any:
        return self.load()


class LegacyWeights(WeightsFile):
    """`load_weights` of the older `.h5`, by name or in order; or as those of an application."""

    name, ending, share = "weights .h5", ".h5", 3

    def saved(self, model: tinyconv.Model) -> bytes:
        model.save(self.file)
        content = io.BytesIO()
        with h5py.File(self.file, "r") as whole, h5py.File(content, "w") as alone:
            for name in whole["model_weights"]:
                whole["model_weights"].copy(name, alone)
            for name, value in whole["model_weights"].attrs.items():
                alone.attrs[name] = value
        return content.getvalue()

    def make(self, rng: Random) -> str:
        how = super().make(rng)
        self.options["by_name"] = rng.random() < 0.3
        self.application = rng.random() < 0.2
        return how

    def read(self) -> Any:
        if not self.application:
            return self.load()
        top = [self.model.layers[-1].name]
        applications.load("Small", self.model, self.file, top)
        return self.model


class ModelFile(_Saved):
    """`load_model`, and sometimes `load_weights`, of the older `.h5`."""

    name, ending, share = "model .h5", ".h5", 3

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.good = self.variants([*self.good, *_old_models(folder)])
        self.chances = [4] * 4 + [1] * (len(self.good) - 4)

    def make(self, rng: Random) -> str:
        self.choose(rng)
        self.whole = rng.random() < 0.8
        good = rng.choices(self.good, self.chances)[0]
        content, how = _changed_hdf5(rng, good, self.good)
        self.file.write_bytes(content)
        return how

    def read(self) -> Any:
        return load_model(self.file) if self.whole else self.load()


class KerasFile(ModelFile):
    """`load_model`, and sometimes `load_weights`, of `.keras`."""

    name, ending, share = "model .keras", ".keras", 3

    def __init__(self, folder: Path) -> None:
        _Saved.__init__(self, folder)
        self.inside = [dict(archives.entries_of(each)) for each in self.good]

    def make(self, rng: Random) -> str:
        self.choose(rng)
        self.whole = rng.random() < 0.8
        number = rng.choices(range(len(self.good)), self.chances)[0]
        way = rng.choice(("bytes", "zip", "hdf5"))
        if way == "bytes":
            content, how = damaged(rng, self.good[number], self.good)
        else:
            members = dict(self.inside[number])
            if way == "hdf5":
                weights = members["model.weights.h5"]
                members["model.weights.h5"], how = _changed_hdf5(rng, weights, ())
                entries = [archives.entry(*each, rng.random() < 0.3) for each in members.items()]
                content = archives.archive(entries)
            else:
                content, how = archives.hostile(rng, list(members.items()))
        self.file.write_bytes(content)
        return how

    def check_accepted(self, result: Any) -> None:
        super().check_accepted(result)
        around = {path.name for path in (*self.folder.iterdir(), *self.folder.parent.iterdir())}
        require(not any("escaped" in name for name in around), "a file outside of the archive")


class Configuration(_Saved):
    """`load_model` of well-formed files whose JSON says something else."""

    name, ending, share = "configuration", ".keras", 3

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.trees: list[tuple[str, dict[str, Any], Any]] = []
        for content in self.good:
            members = dict(archives.entries_of(content))
            for name in ("config.json", "config.json", "config.json", "metadata.json"):
                self.trees.append((name, members, json.loads(members[name])))
        for content in _old_models(folder):
            with h5py.File(io.BytesIO(content), "r") as h5:
                tree = json.loads(h5.attrs["model_config"])
            self.trees.append(("model_config", {"": content}, tree))

    def make(self, rng: Random) -> str:
        self.choose(rng)
        chances = [2] * 4 + [1] * (len(self.trees) - 4)
        name, members, tree = rng.choices(self.trees, chances)[0]
        tree, how = values.changed(rng, tree)
        text = values.text_of(rng, tree)
        if name == "model_config":
            self.file = self.folder / "file.h5"
            self.file.write_bytes(members[""])
            with h5py.File(self.file, "r+") as h5:
                del h5.attrs[name]
                h5.attrs[name] = text
            return f"{name} {how}"
        self.file = self.folder / "file.keras"
        members = {**members, name: text.encode()}
        entries = [archives.entry(*each) for each in members.items()]
        self.file.write_bytes(archives.archive(entries))
        return f"{name} {how}"

    def read(self) -> Any:
        return load_model(self.file)


def _changed_hdf5(rng: Random, content: bytes, others: Any) -> tuple[bytes, str]:
    """Damaged bytes or a well-formed change."""
    if rng.random() < 0.5:
        return damaged(rng, content, others)
    return hdf5_edits.edited(rng, content)


def _old_models(folder: Path) -> list[bytes]:
    """Files of TensorFlow 2's Keras: a chain and a graph."""
    file = folder / "old.h5"
    one, two = old_keras.dense("one", 3, "relu"), old_keras.dense("two", 2)
    weights = {
        "one": [("one/kernel:0", old_keras.values(4, 3)), ("one/bias:0", old_keras.values(3))],
        "two": [("two/kernel:0", old_keras.values(3, 2)), ("two/bias:0", old_keras.values(2))],
    }
    start = old_keras.start("x", 4)
    chain = {"class_name": "Sequential", "config": {"name": "s", "layers": [start, one, two]}}
    calls = [
        old_keras.called(start),
        old_keras.called(one, [["x", 0, 0, {}]]),
        old_keras.called(two, [["one", 0, 0, {}]]),
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["two", 0, 0]]}
    drawn = {"class_name": "Functional", "config": {"name": "g", "layers": calls, **ends}}
    files = []
    for model in (chain, drawn):
        file.unlink(missing_ok=True)
        files.append(old_keras.write(file, weights, model).read_bytes())
    file.unlink()
    return files


assert issubclass(FileError, Reader.allowed)
