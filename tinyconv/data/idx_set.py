"""A data set published as four IDX files: training and test images and labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyconv.data.download import PATIENCE, fetch
from tinyconv.data.idx import read_idx

Split = tuple[np.ndarray, np.ndarray]


class IdxFile(NamedTuple):
    """One published file: its name, its shape and the MD5 of its unpacked content.

    The packed files are not compared: mirrors may pack the same content anew.
    """

    name: str
    shape: tuple[int, ...]
    md5: str


class IdxSet(NamedTuple):
    """The four files of a data set."""

    x_train: IdxFile
    y_train: IdxFile
    x_test: IdxFile
    y_test: IdxFile


def load_idx_set(
    files: IdxSet, folder: Path, mirrors: Sequence[str], patience: float = PATIENCE
) -> tuple[Split, Split]:
    """Read the four files from `folder`; download those that are missing.

    Args:
        files: what the files are called and what they must contain.
        folder: where they are kept.
        mirrors: addresses, each followed by a file name.
        patience: see `fetch`.

    Returns:
        ((x_train, y_train), (x_test, y_test)), all uint8.

    Raises:
        CorruptFileError: if a file in the folder is damaged.
        DownloadError: if a missing file cannot be downloaded.
    """
    by_hand = f"{', '.join(file.name for file in files)} into {folder}"
    arrays = []
    for file in files:
        read = partial(read_idx, shape=file.shape, md5=file.md5)
        path = folder / file.name
        if not path.exists():
            urls = [mirror + file.name for mirror in mirrors]
            fetch(urls, path, check=read, by_hand=by_hand, patience=patience)
        arrays.append(read(path))
    x_train, y_train, x_test, y_test = arrays
    return (x_train, y_train), (x_test, y_test)
