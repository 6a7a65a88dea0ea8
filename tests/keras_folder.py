"""A folder for KERAS_HOME in which lie the files that Keras would have downloaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tinyconv.applications import imagenet_utils
from tinyconv.applications.network import Network
from tinyconv.applications.weights import Published


class KerasFolder:
    """Stands in for ~/.keras as long as a test lasts.

    The files that are put there have contents of their own, so the checksums of the published
    ones are replaced.
    """

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.models, self._patch = home / "models", monkeypatch
        self.models.mkdir(parents=True)
        monkeypatch.setenv("KERAS_HOME", str(home))

    def put_weights(self, network: Network, top: bool, model: Any) -> None:
        """Of a Keras model, as ImageNet's weights."""
        from parity.cases.applications import write_legacy  # imports Keras

        published = network.published[top]
        write_legacy(model, self.models / published.name)
        self._patch.setitem(network.published, top, self._known(published))

    def put_class_names(self) -> None:
        """class_0 to class_999."""
        names = {str(number): [f"n{number:08}", f"class_{number}"] for number in range(1000)}
        (self.models / imagenet_utils._INDEX.name).write_text(json.dumps(names))
        self._patch.setattr(imagenet_utils, "_INDEX", self._known(imagenet_utils._INDEX))

    def _known(self, published: Published) -> Published:
        content = (self.models / published.name).read_bytes()
        return published._replace(md5=hashlib.md5(content).hexdigest())
