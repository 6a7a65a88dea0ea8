"""The picture, from results that no card has given."""

import json

import pytest

from benchmarks.gpu.roofline import draw
from benchmarks.report import write_json
from tests.benchmarks.gpu.made_up import CARD, results


@pytest.mark.parametrize("cudnn", [True, False])
def test_it_is_drawn_as_png(tmp_path, cudnn):
    draw(results(cudnn), tmp_path / "gpu.png")
    assert (tmp_path / "gpu.png").read_bytes().startswith(b"\x89PNG")


def test_also_of_kernels_alone(tmp_path):
    draw({**results(), "layers": {}}, tmp_path / "gpu.png")
    assert (tmp_path / "gpu.png").read_bytes().startswith(b"\x89PNG")


def test_numbers_and_card_are_in_the_file(tmp_path):
    found = results()
    write_json(tmp_path / "gpu.json", found, "python -m benchmarks gpu")
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["results"] == found
    assert content["results"]["card"] == CARD
    assert content["command"] == "python -m benchmarks gpu"
    assert content["date"]
