"""Each algorithm of convolution on each layer, in float32: is the one chosen the fastest?"""

from __future__ import annotations

import math
import statistics
from typing import Any

from benchmarks.conv import layers
from benchmarks.gpu.layers import turn_of


def measure(device: Any, network: str, batch: int, rounds: int) -> dict[str, dict[str, Any]]:
    """A table: a row an operation of a layer, in microseconds, * is chosen; and its numbers."""
    print(f"\n{network}, batch {batch}, us by algorithm (* is chosen)")
    found = {}
    for layer, case in layers(network, batch, most=math.inf):
        title = f"{network}: {layer} {case.operation}"
        able, chosen = device.algorithms(case)
        turns = {name: turn_of(device, device.backend(conv=name), case) for name in able}
        seconds = {name: [turn() for _ in range(rounds)] for name, turn in turns.items()}
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        found[title] = {"chosen": chosen, "seconds": seconds, "medians": medians}
        print(row(title, found[title]), flush=True)
    return found


def row(title: str, found: dict[str, Any]) -> str:
    """A line of the table."""
    told = [
        f"{name} {1e6 * median:.1f}{'*' * (name == found['chosen'])}"
        for name, median in found["medians"].items()
    ]
    return f"{title:50}{'   '.join(told)}"


def missed(found: dict[str, dict[str, Any]]) -> str:
    """A sentence: how often another one was faster, and by how much at worst."""
    lost = {
        title: each["medians"][each["chosen"]] / min(each["medians"].values())
        for title, each in found.items()
    }
    worst = max(lost, key=lost.__getitem__)
    slow = sum(ratio > 1.05 for ratio in lost.values())
    return (
        f"another algorithm is more than 5 % faster for {slow} of {len(lost)}; "
        f"at worst {lost[worst]:.2f} times ({worst})"
    )
