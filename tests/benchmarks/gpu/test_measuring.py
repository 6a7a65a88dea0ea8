"""The bookkeeping of a measurement: what is timed, on which inputs, against which roofs."""

import json
import sys

import numpy as np
import pytest

from benchmarks.gpu import card as cards
from benchmarks.gpu.measuring import Ceilings, Cost, ceilings, seconds_a_call, sets_of_inputs
from tests.benchmarks.gpu.fakes import FakeCard, Scripted

ROOFS = Ceilings(copy=100.0, gemm=1000.0, gemm_tf32=4000.0)


def test_only_what_is_asked_for_is_timed():
    card = Scripted()
    calls = [lambda: card.work("first", 1.0), lambda: card.work("second", 3.0)]
    assert seconds_a_call(card, calls, 3) == [2.0, 2.0, 2.0]  # a call, without the wipes


def test_each_round_begins_with_a_cache_that_is_overwritten():
    card = Scripted()
    seconds_a_call(card, [lambda: card.work("call", 1.0)], 2)
    calls = [n for n, name in enumerate(card.log) if name == "call"]
    assert len(calls) == 4  # to warm up, to see how long asking takes, and the rounds
    for n in calls[2:]:
        assert card.log[n - 1] == "wipe"


def test_the_device_is_busy_for_as_long_as_the_host_needs():
    card = Scripted()
    card.wipe(0.0)
    known = card.now  # it has measured a pass by now
    card.wipe(2.0)
    assert 2.0 <= card.now - known <= 2.5


@pytest.mark.parametrize(("bytes_", "sets"), [(1, 16), (1024, 8), (4096, 2), (10**9, 2)])
def test_sets_exceed_the_cache_together(bytes_, sets):
    assert sets_of_inputs(FakeCard(), bytes_) == sets  # of 4096 bytes


@pytest.mark.parametrize(
    ("cost", "tf32", "bound", "best"),
    [
        (Cost(500, 10), False, "copy", 5.0),
        (Cost(500, 10_000), False, "GEMM", 10.0),
        (Cost(500, 10_000), True, "copy", 5.0),
        (Cost(100, 40_000), True, "GEMM", 10.0),
    ],
)
def test_the_nearer_roof_bounds(cost, tf32, bound, best):
    assert ROOFS.bound(cost, tf32) == bound
    assert ROOFS.fraction(cost, 2 * best, tf32) == 0.5


def test_ceilings_count_what_is_read_and_written():
    card = Scripted()
    products = []

    class Backend:
        def matmul(self, a, b):
            products.append((a.shape, b.shape))
            card.work("product", 0.5)

    class Arrays:
        random, empty_like = np.random, staticmethod(np.empty_like)

        @staticmethod
        def copyto(to, source):
            assert to is not source
            card.work("copy", 2.0)

    card.xp, card.backend = Arrays, lambda tf32: Backend()
    found = ceilings(card, 3, quick=True)
    assert found.copy == 2 * 8 * card.cache_bytes / 2.0
    assert found.gemm == found.gemm_tf32 == 2 * 512**3 / 0.5
    assert set(products) == {((512, 512), (512, 512))}
    assert card.released == 2


def test_ceilings_of_a_device():
    found = ceilings(FakeCard(), 2, quick=True)
    assert min(found) > 0


def test_versions_of_torch_are_asked_of_another_process(tmp_path, monkeypatch):
    module = tmp_path / "torch.py"
    module.write_text(
        "from types import SimpleNamespace as N\n__version__, version = '9.9', N(cuda='14.0')\n"
        "backends = N(cudnn=N(version=lambda: 91200))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = sys.modules.get("torch")
    found = cards.torch_versions()
    assert found == {"torch": "9.9", "torch_cuda": "14.0", "cudnn": 91200}
    assert sys.modules.get("torch") is before
    json.dumps(found)
    module.write_text("raise ImportError('broken')")
    assert cards.torch_versions() == {}


def test_the_driver_tells_its_number(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cards.driver_version() == "unknown"
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 580.159.03\n")
    program.chmod(0o755)
    assert cards.driver_version() == "580.159.03"
