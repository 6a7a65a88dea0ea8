"""Turns of training: an epoch through `fit`, and PyTorch's loop for the same."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.contender import Turn
from benchmarks.networks import WORK, build, images, labels

# Ways to train that may be the fastest, by who has them.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "tf.keras": {
        "graph": {"jit_compile": False},
        "graph, 16 steps a call": {"jit_compile": False, "steps_per_execution": 16},
        "XLA": {"jit_compile": True},
    },
    "torch": {"plain": {}, "fused optimizer": {"fused": True}},
}


def fit(
    library: str,
    network: str,
    batch: int,
    steps: int,
    shape: tuple[int, int, int] | None = None,
    **compiling: Any,
) -> Turn:
    """A turn is an epoch of `steps` shuffled batches; it returns the seconds a step."""
    return epoch(_fitting(library, network, shape, **compiling), network, batch, steps, shape)


def fit_batches(
    library: str, network: str, batches: Sequence[int], steps: int, **compiling: Any
) -> Turn:
    """As `fit`, each turn with the next of several sizes of batch, over and over."""
    trained = _fitting(library, network, None, **compiling)
    return in_turn([epoch(trained, network, batch, steps) for batch in batches])


def epoch(
    trained: Callable[[Any, Any, int], None],
    network: str,
    batch: int,
    steps: int,
    shape: tuple[int, int, int] | None = None,
) -> Turn:
    """A turn of `trained(x, y, batch)`, which goes over all images once."""
    work = WORK[network]
    x = images(shape or work.shape, batch * steps)
    y = labels(work.classes, batch * steps)

    def turn() -> float:
        started = time.perf_counter()
        trained(x, y, batch)
        return (time.perf_counter() - started) / steps

    return turn


def in_turn(turns: Sequence[Turn]) -> Turn:
    """One turn of the next of them at a time."""
    following = itertools.cycle(turns)
    return lambda: next(following)()


def _fitting(
    library: str, network: str, shape: tuple[int, int, int] | None, **compiling: Any
) -> Callable[[Any, Any, int], None]:
    import importlib

    module, work = importlib.import_module(library), WORK[network]
    model = build(library, network, shape)
    optimizer: Any = work.optimizer
    if work.rate is not None:
        optimizer = module.optimizers.RMSprop(work.rate)
    loss = "sparse_categorical_crossentropy" if work.classes > 1 else "binary_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"], **compiling)
    return lambda x, y, batch: model.fit(x, y, batch_size=batch, verbose=0)


def torch_fit(
    network: str,
    batch: int,
    steps: int,
    shape: tuple[int, int, int] | None = None,
    fused: bool | None = None,
) -> Turn:
    """As `fit`: shuffled, with the mean loss and the accuracy of the epoch."""
    return epoch(torch_fitting(network, shape, fused), network, batch, steps, shape)


def torch_fit_batches(network: str, batches: Sequence[int], steps: int) -> Turn:
    """As `fit_batches`."""
    trained = torch_fitting(network, None, True)
    return in_turn([epoch(trained, network, batch, steps) for batch in batches])


def torch_fitting(
    network: str,
    shape: tuple[int, int, int] | None,
    fused: bool | None,
    device: str = "cpu",
    compiled: bool = False,
    captured: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
) -> Callable[[Any, Any, int], None]:
    """trained(x, y, batch): an epoch by PyTorch, with all data on the device.

    Args:
        compiled: the network by `torch.compile`.
        captured: makes of a step, step(images, labels), one that is replayed.
    """
    import torch

    from benchmarks import torch_networks

    work = WORK[network]
    model: Any = torch_networks.build(network, shape or work.shape).to(device)
    free = [each for each in model.parameters() if each.requires_grad]
    optimizer: Any
    if work.optimizer == "adam":
        optimizer = torch.optim.Adam(free, eps=1e-7, fused=fused, capturable=bool(captured))
    else:
        optimizer = torch.optim.RMSprop(free, lr=work.rate or 1e-3, alpha=0.9, eps=1e-7)
    several = work.classes > 1
    loss_of = torch.nn.CrossEntropyLoss() if several else torch.nn.BCEWithLogitsLoss()
    total, right = (torch.zeros((), device=device) for _ in range(2))
    model = torch.compile(model) if compiled else model

    def step(taken: Any, truth: Any) -> None:
        optimizer.zero_grad(set_to_none=True)
        scores = model(taken)
        loss = loss_of(scores, truth)
        loss.backward()
        optimizer.step()
        guess = scores.detach().argmax(1) if several else (scores.detach() > 0).float()
        total.add_(loss.detach())
        right.add_((guess == truth).sum())

    one_step = captured(step) if captured else step

    def trained(x: Any, y: Any, batch: int) -> None:
        pixels = torch.from_numpy(x).to(device)
        targets = torch.from_numpy(y if several else y.astype("float32")[:, None]).to(device)
        order = torch.randperm(len(x), device=device)
        total.zero_()
        right.zero_()
        for start in range(0, len(x), batch):
            chosen = order[start : start + batch]
            # Gathered as rows of (H, W, C), then seen as channels_last: no copy but this one.
            one_step(pixels[chosen].permute(0, 3, 1, 2), targets[chosen])
        if not torch.isfinite(total):
            raise FloatingPointError(f"{network}: the loss is {total.item()}")

    return trained
