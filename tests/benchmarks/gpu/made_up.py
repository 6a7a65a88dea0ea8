"""Results as a card might give them, from costs that are real and times that are not."""

import random

from benchmarks.conv import layers as layers_of
from benchmarks.gpu import kernels, layers
from benchmarks.gpu.kernel_list import kernels as kernel_list
from benchmarks.gpu.measuring import Ceilings

ROOFS = Ceilings(copy=4.2e12, gemm=5.1e13, gemm_tf32=3.8e14)
CARD = {"name": "NVIDIA Made-Up 200", "driver": "580.159.03", "cupy": "14.2.0", "torch": "2.11.0"}


def results(cudnn=True):
    chance = random.Random(0)

    def seconds(cost, tf32=False):
        best = max(cost.bytes / ROOFS.copy, cost.flops / ROOFS.product(tf32))
        return [best / chance.uniform(0.35, 0.95) + 2e-6] * 3

    found = {"card": CARD, "ceilings": ROOFS._asdict(), "training": {}, "failed": {}}
    found["kernels"] = {
        each.name: kernels.numbers(each, seconds(each.cost), ROOFS) for each in kernel_list(128)
    }
    found["layers"] = {}
    for network, batch in layers.NETWORKS.items():
        for title, case in layers_of(network, batch, most=float("inf")):
            for tf32 in (False, True):
                own = {layers.OURS: seconds(layers.cost(case), tf32)}
                if cudnn:
                    own[layers.CUDNN] = seconds(layers.cost(case), tf32)
                found["layers"][f"{network}: {title} {case.operation}, {tf32}"] = layers.numbers(
                    network, case, own, ROOFS, tf32
                )
    return found
