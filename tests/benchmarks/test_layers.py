"""`python -m benchmarks layers`: that all compute the same, and the command."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks import single_layers
from benchmarks.__main__ import main
from benchmarks.single_layers import FAMILIES

# PyTorch is no requirement of the tests: where it is installed, it is compared as well.
PEERS = ["keras", *(["torch"] if find_spec("torch") else [])]


def as_ours(family, results):
    """PyTorch's results in our layout."""
    found = []
    for number, each in enumerate(results):
        array = each.numpy()
        kernel = number > FAMILIES[family].inputs
        if array.ndim == 4:
            array = array.transpose((2, 3, 1, 0) if kernel else (0, 2, 3, 1))
        elif array.ndim == 2 and kernel:
            array = array.T
        found.append(array)
    return found


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "Dropout"])
@pytest.mark.parametrize("peer", PEERS)
def test_results_and_gradients_are_the_same(peer, family):
    expected = single_layers.tinyconv_call(family, 2)()
    found = getattr(single_layers, f"{peer}_call")(family, 2)()
    found = as_ours(family, found) if peer == "torch" else [np.asarray(each) for each in found]
    assert len(found) == len(expected)
    for theirs, ours in zip(found, expected, strict=True):
        scale = np.abs(ours).max()
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=3e-5 * scale)


@pytest.mark.parametrize("who", ["tinyconv", *PEERS])
def test_dropout_drops_half_of_all(who):
    y, dx = getattr(single_layers, f"{who}_call")("Dropout", 2)()
    for each in (y, dx):
        assert 0.45 < (np.asarray(each) == 0).mean() < 0.55


def test_the_command(tmp_path, capsys):
    numbers, picture = tmp_path / "layers.json", tmp_path / "layers.png"
    main(
        ["layers", "--quick", "--rounds", "2", "--only", "softmax", "--contenders", "numba",
         "tf.keras", "--json", str(numbers), "--plot", str(picture)]
    )  # fmt: skip
    title = "Softmax, 2 x 1000, forward and backward"
    assert title in capsys.readouterr().out
    (found,) = json.loads(numbers.read_text())["results"].items()
    assert found[0] == title
    assert list(found[1]["contenders"]) == ["tinyconv (numba)", "tf.keras"]
    assert found[1]["ratio_to_fastest_peer"]["tinyconv (numba)"]["median"] > 0
    assert picture.read_bytes().startswith(b"\x89PNG")
