"""docs/keras-weights.md: its program runs, its names and checksums are those in the code."""

import re

import numpy as np
import pytest

from tests.docs import pages
from tinyconv.applications import imagenet_utils, resnet50, vgg16

keras = pytest.importorskip("keras")

TEXT = pages.read("keras-weights.md")


def test_the_program(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (program,) = pages.programs(TEXT)
    names = {}
    exec(program.code, names)
    assert float(capsys.readouterr().out.split(":")[1]) < 1e-5
    theirs = keras.applications.VGG16(weights=None, include_top=False)
    theirs.load_weights("mine.h5", by_name=True)
    for weight, expected in zip(names["model"].weights, theirs.weights, strict=False):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())


def test_files_and_checksums():
    rows = set(re.findall(r"\| `([^`]+)` \| ([0-9a-f]{32}) \|", TEXT))
    networks = (vgg16.NETWORK, resnet50.NETWORK)
    files = [file for network in networks for file in network.published.values()]
    assert rows == {(file.name, file.md5) for file in [*files, imagenet_utils._INDEX]}


@pytest.mark.parametrize("kind", ["Conv2D", "Dense", "BatchNormalization"])
def test_orders_of_weights(kind):
    import tinyconv

    (told,) = re.findall(rf"\| `{kind}` \| ([^|]+) \|", TEXT)
    arguments = {"Conv2D": (2, 3), "Dense": (2,), "BatchNormalization": ()}[kind]
    for library in (keras, tinyconv):
        layer = getattr(library.layers, kind)(*arguments)
        layer(library.Input((8, 8, 3)))
        assert [weight.name for weight in layer.weights] == re.findall("`([^`]+)`", told)
