"""The cards, on libraries that only look like CuPy and PyTorch: each call they need is there."""

import json
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.convolution import Case
from benchmarks.gpu import card as cards
from benchmarks.gpu.measuring import seconds_a_call
from tinyconv import backends
from tinyconv.backends.cuda import cupy_device
from tinyconv.geometry import slide

EVENTS = []


class Event:
    """The time is that of the events themselves: each is a millisecond after the last."""

    def __init__(self, enable_timing=True):
        assert enable_timing

    def record(self):
        EVENTS.append(self)
        self.milliseconds = len(EVENTS)

    def synchronize(self):
        assert self in EVENTS

    def elapsed_time(self, stop):
        return stop.milliseconds - self.milliseconds


class Filled:
    """Memory that notes what is written over it."""

    def __init__(self, size):
        self.size, self.values = size, []

    def fill(self, value):
        self.values.append(value)

    fill_ = fill


@pytest.fixture
def cupy(monkeypatch):
    """A `CupyCard` on a library of our own."""
    freed = []
    runtime = SimpleNamespace(
        driverGetVersion=lambda: 13010, runtimeGetVersion=lambda: 13020,
        getDeviceProperties=lambda number: {
            "name": b"NVIDIA Fake", "major": 9, "minor": 0, "multiProcessorCount": 132,
            "totalGlobalMem": 2**37,
        },
    )  # fmt: skip
    library = SimpleNamespace(
        __version__="14.2.0", empty=lambda size, dtype: Filled(size), freed=freed,
        get_default_memory_pool=lambda: SimpleNamespace(free_all_blocks=lambda: freed.append(1)),
        cuda=SimpleNamespace(
            Event=Event, get_elapsed_time=lambda start, stop: start.elapsed_time(stop),
            Device=lambda: SimpleNamespace(id=0), runtime=runtime,
        ),
    )  # fmt: skip

    class Device:
        xp, properties = library, SimpleNamespace(l2_bytes=1000)

        def __init__(self, tf32=False):
            self.tf32 = tf32

    monkeypatch.setattr(cupy_device, "CupyDevice", Device)
    monkeypatch.setattr(backends, "_loaded", {})
    monkeypatch.setattr(cards, "torch_versions", lambda: {"torch": "2.11.0", "cudnn": 91200})
    return cards.CupyCard()


def check(card, freed):
    """A measurement: two events a millisecond apart, the cache overwritten before."""
    before = len(card._memory.values)
    assert seconds_a_call(card, [lambda: None], 2) == [0.001, 0.001]
    written = card._memory.values
    assert len(written) >= before + 2
    assert len(set(written)) == len(written)  # never what is there already
    assert 4 * card._memory.size == 4 * card.cache_bytes
    card.release()
    assert freed


def test_cupys_card(cupy):
    check(cupy, cupy.xp.freed)
    assert cupy.cache_bytes == 1000
    assert (cupy.backend(True).device.tf32, cupy.backend().device.tf32) == (True, False)


def test_algorithms_that_can_do_a_case(cupy):
    able, chosen = cupy.algorithms(Case(32, slide((28, 28), (1, 1), (1, 1), "same"), 8, 8, 1, "dx"))
    assert able[:2] == ["im2col", "implicit_gemm"]
    assert chosen == "pointwise"
    assert cupy.backend(conv="im2col")._conv == "im2col"


def test_what_the_card_says_of_itself(cupy):
    found = json.loads(json.dumps(cupy.describe()))
    assert found["name"] == "NVIDIA Fake"
    assert found["compute_capability"] == "9.0"
    assert (found["cuda_of_driver"], found["cuda_runtime"]) == ("13.1", "13.2")
    assert found["driver"]
    assert found["cudnn"] == 91200


def test_pytorchs_card(monkeypatch):
    freed = []
    library = SimpleNamespace(
        empty=lambda size, device: Filled(size),
        cuda=SimpleNamespace(
            Event=Event, empty_cache=lambda: freed.append(1),
            get_device_properties=lambda number: SimpleNamespace(L2_cache_size=1000),
        ),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch", library)
    check(cards.TorchCard(), freed)


if find_spec("torch"):

    def test_a_graph_is_captured_once_and_its_inputs_are_copied(monkeypatch):
        """What is given goes to where the graph looks for it."""
        import contextlib

        import torch

        from benchmarks.gpu import torch_ways

        given, replays = [], []

        def step(x):
            given.append(x)
            return x * 2

        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(
            replay=lambda: replays.append(given[-1].clone())
        ))  # fmt: skip
        stream = SimpleNamespace(wait_stream=lambda other: None)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
        for name in ("graph", "stream"):
            monkeypatch.setattr(torch.cuda, name, contextlib.nullcontext)
        replayed = torch_ways.captured(step)
        first = replayed(torch.ones(3))
        assert replayed(torch.full((3,), 5.0)) is first
        assert len(given) == torch_ways.WARM_UPS + 1  # no more than the capture needs
        assert all(each is given[0] for each in given)
        np.testing.assert_array_equal(torch.stack(replays), [[1, 1, 1], [5, 5, 5]])
