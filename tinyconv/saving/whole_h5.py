"""A whole model in Keras' older HDF5 format, `.h5`.

model_config, training_config (attributes)   JSON: the layers, and how they were compiled
model_weights, optimizer_weights             see `legacy_h5`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyconv.saving import legacy_h5, optimizer_state, revive, to_keras
from tinyconv.saving.errors import FileError
from tinyconv.saving.hdf5 import made, reading, text
from tinyconv.saving.matching import Matches

if TYPE_CHECKING:
    from tinyconv.models.model import Model

_RECORD = "tinyconv_input_record"  # an attribute that Keras does not read


def pack(model: Model, include_optimizer: bool) -> memoryview:
    """The bytes of the file."""

    def fill(h5: Any) -> None:
        h5.attrs["keras_version"] = legacy_h5.KERAS_VERSION
        h5.attrs["backend"] = legacy_h5.BACKEND
        h5.attrs["model_config"] = json.dumps(to_keras.model_entry(model))
        if include_optimizer and model.compiled:
            settings = to_keras.compile_settings(model.compile_arguments)
            settings["optimizer_config"] = settings.pop("optimizer")
            h5.attrs["training_config"] = json.dumps(settings)
        records = revive.records_to_json(model)
        if records is not None:
            h5.attrs[_RECORD] = json.dumps(records)
        legacy_h5.write(h5, model, include_optimizer)

    return made(fill)


def unpack(file: Path, custom_objects: Mapping[str, Any] | None, compile: bool) -> Model:
    """The model; see `tinyconv.saving.load_model`."""
    with reading(file) as h5:
        entry = _attribute(file, h5, "model_config")
        settings = _attribute(file, h5, "training_config")
        if entry is None:
            raise FileError(
                f"{file}: there is no model in it. If it is a file of weights, build the model and "
                "call load_weights"
            )
        matches, group = Matches(file), legacy_h5.weights_group(h5)
        if group is None:
            raise FileError(f"{file}: there are no weights in it")
        model = revive.model_from(file, entry, group, custom_objects)
        if model.built:
            legacy_h5.match(group, model, matches, by_name=False)
            matches.assign()
        if compile and settings:
            state = legacy_h5.optimizer_values(h5, matches)
            names, found = [name for name, _ in state], [dataset for _, dataset in state]
            revive.compile_model(
                file, model, settings,
                lambda: optimizer_state.prepare(file, model, names, found) if state else None,
            )  # fmt: skip
        revive.records_from_json(model, _attribute(file, h5, _RECORD))
    return model


def _attribute(file: Path, h5: Any, name: str) -> Any:
    if name not in h5.attrs:
        return None
    content = text(h5.attrs[name])
    revive.check_length(file, name, len(content))
    return json.loads(content)
