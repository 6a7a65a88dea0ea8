"""Values of a file and the variables they are for: all are compared before one is assigned."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.saving.errors import FileError, some
from tinyconv.training.warn import warn_user

if TYPE_CHECKING:
    from tinyconv.layers.base import Layer
    from tinyconv.layers.variable import Variable

Pair = tuple["Variable", Any]  # a variable, and the dataset with its value


class Matches:
    """What will be assigned, gathered layer by layer.

    Args:
        file: named in errors.
        skip_mismatch: warn and leave a weight as it is, where the file's does not fit.
    """

    def __init__(self, file: Path, skip_mismatch: bool = False) -> None:
        self.file, self.skip_mismatch = file, skip_mismatch
        self._pairs: list[Pair] = []

    def add(
        self, layer: Layer, variables: Sequence[Variable], datasets: Sequence[Any], together: bool
    ) -> None:
        """One layer's variables and, in the same order, the file's datasets (None: missing).

        Args:
            together: whether one that does not fit makes the whole layer be skipped.

        Raises:
            FileError: naming file, layer and both shapes, unless `skip_mismatch`.
        """
        if len(datasets) != len(variables):
            self.mismatch(
                f"{layer!r} has {len(variables)} weights, the file holds {len(datasets)} for it"
            )
            return
        fitting: list[Pair] = []
        for variable, dataset in zip(variables, datasets, strict=True):
            shape = getattr(dataset, "shape", None)
            if shape == variable.shape:
                fitting.append((variable, dataset))
                continue
            self.mismatch(
                f"{layer!r}: expected {variable.name} of shape {variable.shape}. "
                f"Received: {'nothing' if dataset is None else shape}"
            )
        if len(fitting) == len(variables) or not together:
            self._pairs += fitting

    def mismatch(self, message: str) -> None:
        """Raise FileError, or warn that this is skipped."""
        if not self.skip_mismatch:
            raise FileError(f"{self.file}: {message}")
        warnings.warn(f"{self.file}: skipped: {message}", stacklevel=5)

    def assign(self) -> None:
        """Read all values, then overwrite the variables."""
        values = [np.asarray(dataset[()], variable.dtype) for variable, dataset in self._pairs]
        self._warn_of_nan(values)
        for (variable, _), value in zip(self._pairs, values, strict=True):
            variable.assign(value)

    def _warn_of_nan(self, values: Sequence[Array]) -> None:
        """Keras reads such weights without a word; the model then answers NaN."""
        spoilt = [
            f"{variable.layer!r} ({variable.name})"
            for (variable, _), value in zip(self._pairs, values, strict=True)
            if not _finite(value)
        ]
        if spoilt:
            warn_user(
                f"{self.file}: there is NaN or infinity in the weights of {some(spoilt)}. They are "
                "read as they are"
            )


def _finite(value: Array) -> bool:
    """Whether there is neither NaN nor infinity; a sum, which is fast, shows it as a rule."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(value.sum()) or np.isfinite(value).all())
