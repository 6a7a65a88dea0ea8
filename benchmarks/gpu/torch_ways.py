"""The same by PyTorch, in the ways that it has to run a network on a GPU.

eager           one operation after the other
compiled        the network by torch.compile
graph-captured  a whole step as a CUDA graph, captured once and replayed
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import torch_networks, training
from benchmarks.contender import Turn
from benchmarks.gpu.card import made
from benchmarks.gpu.measuring import seconds_a_call
from benchmarks.gpu.training import SETS, by_events

WARM_UPS = 3  # before a graph is captured, on another stream, as PyTorch wants it


def fit(card: str, network: str, batch: int, steps: int, way: str) -> Turn:
    """A turn is an epoch; it returns the seconds a step."""
    device = made(card)
    set_precision(tf32=False)
    trained = training.torch_fitting(
        network, None, fused=True, device=device.device,
        compiled=way == "compiled", captured=captured if way == "graph-captured" else None,
    )  # fmt: skip
    return by_events(device, training.epoch(trained, network, batch, steps), steps)


def features(
    card: str, network: str, batch: int, shape: tuple[int, int, int], tf32: bool, way: str
) -> Turn:
    """A turn returns the seconds of a batch, several of them one after the other."""
    device = made(card)
    set_precision(tf32)
    model: Any = torch_networks.build(network, shape).eval().to(device.device)
    if way == "compiled":
        model = torch.compile(model)
    sets = [torch.rand((batch, *shape), device=device.device) for _ in range(SETS)]
    sets = [each.permute(0, 3, 1, 2) for each in sets]  # channels_last, as they lie
    if way == "graph-captured":
        model = captured(model)
    calls = [lambda x=x: model(x) for x in sets]

    def turn() -> float:
        with torch.inference_mode():
            return statistics.median(seconds_a_call(device, calls, 3))

    return turn


def set_precision(tf32: bool) -> None:
    """float32 with TF32 or without, and the fastest of cuDNN's algorithms."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True


def captured(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` as a CUDA graph; what it is given is copied to where the graph looks for it."""
    graph: Any = None
    places: tuple[Any, ...] = ()
    result: Any = None

    def replayed(*given: Any) -> Any:
        nonlocal graph, places, result
        if graph is None:
            places = tuple(each.clone() for each in given)
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(WARM_UPS):
                    step(*places)
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                result = step(*places)
        for place, each in zip(places, given, strict=True):
            place.copy_(each)
        graph.replay()
        return result

    return replayed
