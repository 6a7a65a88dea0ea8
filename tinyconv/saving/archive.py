"""Keras 3's `.keras` file, a zip archive.

    metadata.json      version and date
    config.json        the model, its layers, and how it was compiled
    model.weights.h5   weights and the optimizer's state, see `weights_h5`

Entries are read by these names and never extracted, so what else an archive holds is harmless.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyconv.saving import optimizer_state, revive, to_keras, weights_h5
from tinyconv.saving.errors import FileError, naming
from tinyconv.saving.hdf5 import made, reading
from tinyconv.saving.inspection import check_expansion
from tinyconv.saving.legacy_h5 import KERAS_VERSION
from tinyconv.saving.matching import Matches

if TYPE_CHECKING:
    from tinyconv.models.model import Model

_METADATA, _CONFIG, _WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
_RECORD = "tinyconv_input_record"  # in the metadata, which Keras does not read


def pack(model: Model, include_optimizer: bool) -> memoryview:
    """The bytes of the file."""
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": time.strftime("%Y-%m-%d@%H:%M:%S"),
        _RECORD: revive.records_to_json(model),
    }
    config = to_keras.model_entry(model)
    if include_optimizer and model.compiled:
        config["compile_config"] = to_keras.compile_settings(model.compile_arguments)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(_METADATA, json.dumps(metadata))
        archive.writestr(_CONFIG, json.dumps(config))
        weights = made(lambda h5: weights_h5.write(h5, model, include_optimizer))
        with archive.open(_WEIGHTS, "w", force_zip64=True) as entry:
            entry.write(weights)
    return content.getbuffer()


def unpack(file: Path, custom_objects: Mapping[str, Any] | None, compile: bool) -> Model:
    """The model; see `tinyconv.saving.load_model`."""
    metadata, config, content = _entries(file, _METADATA, _CONFIG, _WEIGHTS)
    with naming(file):
        entry = _json(file, _CONFIG, config)
        record = _json(file, _METADATA, metadata)
    with reading(file, content) as h5:
        weights = h5.get("layers", {})
        model = revive.model_from(file, entry, weights, custom_objects)
        if model.built:
            matches = Matches(file)
            weights_h5.match(h5, model, matches)
            matches.assign()
        settings = entry.get("compile_config")
        if compile and settings:
            state = weights_h5.optimizer_values(h5)
            revive.compile_model(
                file, model, settings,
                lambda: optimizer_state.prepare(file, model, (), state) if state else None,
            )  # fmt: skip
        revive.records_from_json(model, record.get(_RECORD))
    return model


def weights_in(file: Path) -> bytes:
    """The HDF5 file inside."""
    return _entries(file, _WEIGHTS)[0]


def _entries(file: Path, *names: str) -> list[bytes]:
    try:
        archive = zipfile.ZipFile(file)
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile fails in many ways on bytes that are none
        raise OSError(f"{file} is not a readable .keras file: {error}") from None
    with naming(file), archive:
        return [_read(file, archive, name) for name in names]


def _read(file: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise FileError(f"{file}: the archive holds no {name}") from None
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileError(f"{file}: {name} is compressed in an unusual way: refused")
    # What it says of its packed size may be a lie, the size of the file is none.
    check_expansion(file, name, info.file_size, file.stat().st_size)
    if name != _WEIGHTS:
        revive.check_length(file, name, info.file_size)
    with archive.open(info) as entry:
        return entry.read(info.file_size + 1)  # what it declares, whatever it would unpack to


def _json(file: Path, name: str, content: bytes) -> Any:
    value = json.loads(content)
    if not isinstance(value, dict):
        raise FileError(f"{file}: {name} is not what Keras writes there")
    return value
