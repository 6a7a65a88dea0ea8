"""`python -m benchmarks gpu`, from the command to its files."""

import json
from importlib.util import find_spec

import pytest

from benchmarks.__main__ import main
from benchmarks.gpu import card as cards
from benchmarks.gpu import training
from benchmarks.gpu.kernel_list import kernels

FAKES = "tests.benchmarks.gpu.fakes:"
CNN = "gpu: CNN, batch 32, epoch of 64 images (2 steps)"
FEATURES = "gpu: VGG16 features, 32 x 32, batch 1, float32"
# PyTorch is no requirement of the tests: where it is installed, it takes part.
TORCH = ["torch"] if find_spec("torch") else []


@pytest.fixture
def device(monkeypatch):
    """Call it with the class of tinyconv's card."""

    def become(name):
        monkeypatch.setitem(cards.CARDS, "tinyconv", FAKES + name)

    monkeypatch.setitem(cards.CARDS, "torch", FAKES + "FakeTorchCard")
    return become


def test_without_a_device_it_is_one_line_and_status_1(device, capsys):
    device("Missing")
    with pytest.raises(SystemExit) as stop:
        main(["gpu", "--contenders", "numba"])
    assert stop.value.code == "python -m benchmarks gpu: no device to measure: CuPy finds no GPU"
    assert capsys.readouterr().out == ""  # Python shows the code, and makes it status 1


def test_the_whole_command(device, tmp_path, capsys):
    device("FakeCard")
    numbers, picture = tmp_path / "gpu.json", tmp_path / "gpu.png"
    main(
        ["gpu", "--quick", "--rounds", "2", "--contenders", "numba", *TORCH, "--json", str(numbers),
         "--plot", str(picture)]
    )  # fmt: skip
    content = json.loads(numbers.read_text())
    assert len(content["date"]) == len("2026-01-01")
    found = content["results"]
    assert found["failed"] == {}
    assert found["card"]["name"] == "no card at all"
    assert set(found["ceilings"]) == {"copy", "gemm", "gemm_tf32"}
    assert list(found["kernels"]) == [kernel.name for kernel in kernels(2, 8)]
    assert all(len(each["seconds"]) == 2 for each in found["kernels"].values())

    tried = found["algorithms"]
    assert len(tried) == 2 * 3  # layers, operations
    assert list(tried["cnn: 2x14x14x32 3x3 64 dx"]["medians"]) == ["textbook", "again"]

    layers = found["layers"]
    assert len(layers) == 2 * 2 * 3  # layers, precisions, operations
    contenders = {"tinyconv (cupy)", *(["cuDNN"] if TORCH else [])}
    for each in layers.values():
        assert set(each["medians"]) == set(each["seconds"]) == contenders
        assert ("ratio_to_cudnn" in each) == bool(TORCH)
    assert "cnn: 2x28x28x1 3x3 32 forward, TF32" in layers

    assert list(found["training"]) == [CNN, FEATURES]
    contenders = {"tinyconv (cupy)", *(["PyTorch eager"] if TORCH else [])}
    assert set(found["training"][FEATURES]["contenders"]) == contenders
    contenders.add("tinyconv (cupy), not recorded")
    assert set(found["training"][CNN]["contenders"]) == contenders
    epoch = found["training"][CNN]
    median = epoch["contenders"]["tinyconv (cupy)"]["median"]
    assert epoch["seconds_an_epoch"]["tinyconv (cupy)"] == 2 * median

    shown = capsys.readouterr().out
    titles = "no card at all, driver 0.0", "bias + ReLU", CNN, FEATURES, "steps/s", "% faster for"
    for title in titles:
        assert title in shown
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_fails_is_told_and_the_rest_goes_on(device, tmp_path, capsys):
    device("Broken")
    numbers = tmp_path / "gpu.json"
    main(
        ["gpu", "--quick", "--rounds", "1", "--contenders", "numba", "--only", "dropout", "--json",
         str(numbers)]
    )  # fmt: skip
    found = json.loads(numbers.read_text())["results"]
    assert found["failed"] == {"dropout": "RuntimeError: launch failed"}
    assert list(found["kernels"]) == ["gradient of dropout"]
    assert found["layers"] == found["algorithms"] == found["training"] == {}
    assert "dropout failed: RuntimeError: launch failed" in capsys.readouterr().out


def test_only_what_there_is(device):
    device("FakeCard")
    with pytest.raises(SystemExit, match="'transformer' is in no kernel"):
        main(["gpu", "--quick", "--contenders", "numba", "--only", "transformer"])


def test_steps_that_are_measured():
    cases = training.cases(("eager", "compiled"), quick=False)
    assert [case.title for case in cases] == [
        "gpu: CNN, batch 32, epoch of 60,000 images (1,875 steps)",
        "gpu: CNN, batch 128, epoch of 59,904 images (468 steps)",
        "gpu: CNN, batch 1024, epoch of 59,392 images (58 steps)",
        "gpu: VGG16 features, 160 x 160, batch 32, float32",
        "gpu: VGG16 features, 160 x 160, batch 32, TF32",
    ]
    ours, unrecorded, *peers = cases[0].contenders
    assert (ours.environment, unrecorded.environment) == ({}, {"TINYCONV_CUDA_GRAPHS": "0"})
    assert [each.name for each in peers] == ["PyTorch eager", "PyTorch compiled"]
    assert [each.peer for each in cases[0].contenders] == [False, False, True, True]
