"""Models through files, from tinyconv to Keras and back: `python -m parity --files`.

Each model is trained a few steps and saved by one library, and opened by the other. Then
both answer the same inputs, and both train on over the same batches: the predictions and the
weights afterwards must agree.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinyconv
from parity.trips import TRIPS, Trip, batches_for
from tinyconv import config, saving

FORMATS = (".keras", ".h5", ".weights.h5")
DIRECTIONS = (("tinyconv", "keras"), ("keras", "tinyconv"))
PREDICTIONS, TRAJECTORY = 1e-5, 1e-4  # largest distance that passes
_POSITIVE = ("gamma", "moving_variance")
_BEFORE, _AFTER = 3, 5  # training steps


class Outcome(NamedTuple):
    """The largest distances; None where that was not compared."""

    predictions: float
    trajectory: float | None

    @property
    def passed(self) -> bool:
        """Whether both are small enough."""
        return self.predictions <= PREDICTIONS and (self.trajectory or 0.0) <= TRAJECTORY


def carry(trip: Trip, ending: str, source: str, target: str, folder: Path) -> Outcome:
    """Train and save with one library, load and train on with the other."""
    libraries = {"tinyconv": tinyconv, "keras": _keras()}
    file = folder / f"model{ending}"
    with precision(trip.dtype):
        model = trip.build(libraries[source])
        batches = batches_for(trip, _BEFORE + _AFTER)
        _set_random_weights(model)
        for x, y in batches[:_BEFORE]:
            model.train_on_batch(x, y)
        save(model, file)
        other = load(libraries[target], trip, file)
        inputs = batches[0][0]
        predictions = _distance(model.predict_on_batch(inputs), other.predict_on_batch(inputs))
        if not trip.trains_alike:
            return Outcome(predictions, None)
        for x, y in batches[_BEFORE:]:
            model.train_on_batch(x, y)
            other.train_on_batch(x, y)
        return Outcome(predictions, _distance(model.get_weights(), other.get_weights()))


def save(model: Any, file: Path) -> None:
    """The model, or its weights, by the ending of the file's name."""
    if file.name.endswith(".weights.h5"):
        model.save_weights(file)
    elif isinstance(model, tinyconv.Model):
        saving.save_model(model, file)
    else:
        model.save(file)


def load(library: Any, trip: Trip, file: Path) -> Any:
    """The model in the file; a file of weights is read into a new one."""
    if library is tinyconv and not file.name.endswith(".weights.h5"):
        return saving.load_model(file)
    if not file.name.endswith(".weights.h5"):
        model = library.models.load_model(file)
        if file.name.endswith(".h5"):
            _give_state(model, file)
        return model
    model = trip.build(library)
    if library is not tinyconv:
        model.optimizer.build(model.trainable_variables)  # else Keras has no place for its state
    model.load_weights(file)
    return model


def _give_state(model: Any, file: Path) -> None:
    """What Keras 3.15 leaves out for an `.h5` file, those of its own included.

    It reads the optimizer's state for a model without weights: it gets none, and training on
    raises "Unknown variable". Compiled anew from its own settings it takes the state.
    """
    import h5py

    model.compile_from_config(model.get_compile_config())
    with h5py.File(file) as h5:
        group = h5["optimizer_weights"]
        values = [group[name][()] for name in group.attrs["weight_names"]]
    model.optimizer.load_own_variables({str(n): value for n, value in enumerate(values)})


def _set_random_weights(model: Any) -> None:
    rng = np.random.default_rng(1)
    model.set_weights(
        [
            rng.uniform(0.5, 1.5, w.shape)
            if w.name in _POSITIVE
            else rng.uniform(-0.2, 0.2, w.shape)
            for w in model.weights
        ]
    )


def _distance(a: Any, b: Any) -> float:
    """The largest difference; infinite where there are more or fewer arrays, or others."""
    a, b = (list(each) if isinstance(each, (list, tuple)) else [each] for each in (a, b))
    if [np.shape(each) for each in a] != [np.shape(each) for each in b]:
        return float("inf")
    return max(
        float(np.abs(np.asarray(one, "float64") - np.asarray(other, "float64")).max())
        for one, other in zip(a, b, strict=True)
    )


@contextlib.contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Inside the block both libraries build and compute in this dtype."""
    keras, before = _keras(), config.floatx()
    config.set_floatx(dtype)
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        config.set_floatx(before)
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def _keras() -> Any:
    import keras

    return keras


def main() -> int:
    """Print the table; 0 if every trip passes."""
    failed = 0
    logging.disable(logging.WARNING)  # TensorFlow's, about models that are compiled often
    print(f"{'model':16}{'file':13}{'from':10}{'to':10}{'predictions':>13}{'training on':>13}")
    for name, trip in TRIPS.items():
        for ending in FORMATS:
            for source, target in DIRECTIONS:
                with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    outcome = carry(trip, ending, source, target, Path(folder))
                failed += not outcome.passed
                after = "" if outcome.trajectory is None else f"{outcome.trajectory:.1e}"
                print(
                    f"{name:16}{ending:13}{source:10}{target:10}{outcome.predictions:13.1e}"
                    f"{after:>13}{'' if outcome.passed else '  FAILED'}",
                    flush=True,
                )
    count = len(TRIPS) * len(FORMATS) * len(DIRECTIONS)
    print(
        f"{count} trips, {failed} failed: predictions to {PREDICTIONS:g}, weights after "
        f"{_AFTER} more steps to {TRAJECTORY:g}"
    )
    return 1 if failed else 0
