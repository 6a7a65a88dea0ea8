"""Training on features that the frozen part of a model has computed once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.layers.base import Cache, Gradients
from tinyconv.training import feature_store
from tinyconv.training.feature_file import (
    FILE_NAME,
    KEY_BYTES,
    check_file,
    read_features,
    write_features,
)
from tinyconv.training.feature_store import FeatureStore, checked_folder
from tinyconv.training.warn import warn_user

ABANDONED = 24 * 3600.0  # seconds without a change, after which nobody writes to a file
FEW = 0.1  # hits among the samples of an epoch below which keeping features is given up


class CachedBase:
    """Stands in for a model in the steps of `fit`: it computes the head alone, on kept features.

    A sample is known by a hash of its bytes, so order and source of the data do not matter.
    What made the features, weights and layers, is compared at the beginning and the end of
    each epoch; where it has changed, all features are forgotten.

    Args:
        model: built, and compiled.
        given: True, or the folder in which features are kept for later fits.

    Raises:
        TypeError, ValueError: if nothing at the bottom of the model is frozen, or for
            something that is no folder.
    """

    def __init__(self, model: Any, given: Any) -> None:
        from tinyconv.models.frozen import split  # models are built on training

        self.model, self._cut = model, split
        folder = checked_folder(given, model)
        self.parts = split(model.graph)
        if self.parts is None:
            raise ValueError(
                f"{model!r}: cache_frozen_features needs frozen layers at the bottom of the model "
                "(set layer.trainable = False on them), and no dropout or augmentation below "
                "them. Received: a model whose lowest layers are trained or change in training"
            )
        self.path = None if folder is None else folder / FILE_NAME
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            check_file(folder / FILE_NAME)
            _remove_abandoned(folder)
        self.store = FeatureStore(feature_store.MEMORY_LIMIT, folder)
        self.keeping, self._full = True, False
        self.fingerprint = ""
        self._in_file = 0  # rows that the file has already
        self._batches = self._samples = self._hits = 0

    # ---- epochs ---------------------------------------------------------------

    def begin_epoch(self) -> None:
        """Make ready for the samples of an epoch."""
        self._samples = self._hits = 0
        self.refresh()

    def refresh(self) -> None:
        """Forget the features if the layers or the weights that made them have changed."""
        if not self.keeping:
            return
        parts = self._cut(self.model.graph)
        if self.parts is not None and parts is None:
            warn_user(
                f"{self.model!r}: its lowest layers were unfrozen, so features are no longer kept"
            )
        self.parts = parts
        fingerprint = "" if parts is None else _fingerprint(parts.base)
        if fingerprint != self.fingerprint:
            self.fingerprint = fingerprint
            self._start()

    def end_epoch(self, epoch: int, pass_steps: int | None, epoch_steps: int | None) -> None:
        """Stop keeping features if the samples never come again; `refresh`, before validation.

        Args:
            epoch: its number.
            pass_steps: batches after which samples are due to come again, None if unknown.
            epoch_steps: batches of an epoch.
        """
        self.refresh()
        due = 2 * (pass_steps or epoch_steps or self._batches)
        strange = self._hits < FEW * self._samples and not self._full
        if self.keeping and self._batches >= due and strange:
            warn_user(
                f"{self.model!r}: only {self._hits} of the {self._samples} samples of epoch "
                f"{epoch + 1} had come before, so the features of its frozen layers are computed "
                "anew each time. For cache_frozen_features give the same samples every epoch "
                "(no random augmentation), or leave it out"
            )
            self._stop()

    def _start(self) -> None:
        """An empty store, or what the file has for these weights."""
        self.store.clear()
        self._in_file, self._batches, self._full = 0, 0, False
        if self.path is None or self.parts is None or not self.path.exists():
            return
        try:
            useless = read_features(self.path, self.fingerprint, self.store)
        except OSError as error:
            self.store.clear()
            useless = f"it can't be read ({error})"
        if useless:
            warn_user(f"{self.path}: {useless}: features are computed anew")
        self._in_file = len(self.store)

    def close(self) -> None:
        """Write the file, if there is to be one; free memory and disk."""
        try:
            if self.path is not None and len(self.store) > self._in_file and self._unchanged():
                write_features(self.path, self.fingerprint, self.store)
        except OSError as error:
            warn_user(f"{self.path}: the features could not be kept ({error.strerror or error})")
        finally:
            self._stop()

    def _unchanged(self) -> bool:
        return self.parts is not None and _fingerprint(self.parts.base) == self.fingerprint

    def _stop(self) -> None:
        """Be no more than the model itself."""
        self.keeping, self.parts = False, None
        self.store.clear()

    # ---- what a training step needs of a model ----------------------------------

    def __getattr__(self, name: str) -> Any:
        """Loss, optimizer and all else are the model's."""
        return getattr(self.model, name)

    def __repr__(self) -> str:
        return repr(self.model)

    def forward_for_loss(
        self, inputs: list[Array], training: bool, logits: Sequence[bool]
    ) -> tuple[list[Array], Cache]:
        """As the model's, on features."""
        if self.parts is None:
            return self.model.forward_for_loss(inputs, training, logits)
        inputs = self.model._inputs(inputs)
        features = self._features([inputs[number] for number in self.parts.base_inputs], training)
        given = [*features, *(inputs[number] for number in self.parts.head_inputs)]
        head = self.parts.head
        if not training:
            return head.infer(given, False, logits), Cache(self.model, ())
        outputs, tape = head.forward(given, True, [False] * len(given), logits)
        return outputs, Cache(self.model, [y.shape for y in outputs], tape=tape)

    def backward_from_loss(
        self, gradients: list[Array | None], tape: Cache, into: Gradients | None = None
    ) -> Gradients:
        """The gradients of the trained parameters, by path."""
        part = self.model.graph if self.parts is None else self.parts.head
        return part.backward(gradients, tape.tape, last=True, into=into)[1]

    # ---- features ---------------------------------------------------------------

    def _features(self, inputs: list[Array], counted: bool) -> list[Array]:
        """Of a batch: what is known is looked up, the rest is computed.

        The modes are those of training, in which the base does the same as in inference.
        """
        assert self.parts is not None
        base = self.parts.base
        keys = _keys(inputs)
        rows = {key: self.store.get(key) for key in keys}
        missing = {key: n for n, key in enumerate(keys) if rows[key] is None}
        if counted:
            self._batches += 1
            self._samples += len(keys)
            self._hits += sum(rows[key] is not None for key in keys)
        if missing:
            whole = len(missing) == len(keys)
            taken = np.array(list(missing.values()))
            made = base.infer(inputs if whole else [x[taken] for x in inputs], True)
            self._check_batch_axis(made, len(taken))
            as_numpy = [get_backend().to_numpy(each) for each in made]
            for n, key in enumerate(missing):
                rows[key] = [each[n] for each in as_numpy]
            self._keep({key: rows[key] for key in missing})
            if whole:
                return made
        found = [rows[key] for key in keys]
        return [get_backend().asarray(np.stack(each)) for each in zip(*found, strict=True)]

    def _keep(self, rows: dict[bytes, Any]) -> None:
        if self._full:
            return
        try:
            for key, features in rows.items():
                self.store.add(key, features)
        except OSError as error:
            warn_user(
                f"{self.model!r}: the features of its frozen layers no longer fit on the disk "
                f"({error.strerror or error}): those of {len(self.store)} samples are kept, the "
                "others are computed each time"
            )
            self._full = True

    def _check_batch_axis(self, made: list[Array], samples: int) -> None:
        if any(each.shape[:1] != (samples,) for each in made):
            shapes = [each.shape for each in made]
            raise ValueError(
                f"{self.model!r}: cache_frozen_features needs frozen layers that give one row a "
                f"sample. Received: {shapes} for {samples} samples"
            )


def _remove_abandoned(folder: Path) -> None:
    """What processes that were killed left of their files; another fit may be writing its own."""
    for left in folder.glob(f".{FILE_NAME}.*.tmp"):
        with contextlib.suppress(OSError):  # the other may be done with it just now
            if left.stat().st_mtime < time.time() - ABANDONED:
                left.unlink()


def _keys(inputs: list[Array]) -> list[bytes]:
    """A hash of each sample's bytes, shapes and dtypes."""
    arrays = [np.ascontiguousarray(get_backend().to_numpy(x)) for x in inputs]
    start = hashlib.blake2b(
        repr([(x.dtype.str, x.shape[1:]) for x in arrays]).encode(), digest_size=KEY_BYTES
    )
    flat = [x.reshape(len(x), -1) for x in arrays]
    keys = []
    for n in range(len(flat[0])):
        key = start.copy()
        for x in flat:
            key.update(x[n])
        keys.append(key.digest())
    return keys


def _fingerprint(base: Any) -> str:
    """Of all that the features depend on but the data: steps, layers, weights, backend."""
    hashed = hashlib.blake2b(digest_size=32)
    places: list[Any] = [get_backend().name, base.inputs, base.outputs]
    for step in base.steps:
        config = {
            key: value
            for key, value in step.layer.get_config().items()
            if key not in ("name", "trainable")  # names count up within a process
        }
        kind = f"{type(step.layer).__module__}.{type(step.layer).__qualname__}"
        places.append([kind, config, step.sources, step.targets, step.training])
        for weight in step.layer.weights:
            values = np.ascontiguousarray(get_backend().to_numpy(weight.value))
            places.append([weight.name, values.dtype.str, values.shape])
            hashed.update(values.reshape(-1).data)
    hashed.update(json.dumps(places, default=repr).encode())
    return hashed.hexdigest()
