"""VGG16 on photographs of 160 x 160: features, and a step of fine-tuning blocks 4 and 5.

The weights are random ones: the time does not depend on them.
"""

from __future__ import annotations

from typing import Any

from benchmarks import inference, training
from benchmarks.lineup import line_up
from benchmarks.plot import draw_bars as draw
from benchmarks.report import Case, compare

__all__ = ["cases", "draw", "run"]


def cases(options: Any) -> list[Case]:
    """Features of 32 photographs and of one, and the training step."""
    size = 32 if options.quick else 160
    shape, found = {"shape": (size, size, 3)}, []
    for batch in (32, 1):
        shared = {
            "network": "vgg16", "count": batch, "repeats": 1 if batch == 32 else 8, **shape
        }  # fmt: skip
        contenders = line_up(
            options.contenders, "benchmarks.inference:predict",
            "benchmarks.inference:torch_predict", shared,
            None if options.quick else inference.SETTINGS,
        )  # fmt: skip
        title = f"VGG16 features, {size} x {size}, batch {batch}"
        found.append(Case(title, contenders, "batch"))
    batch = 4 if options.quick else 32
    shared = {"network": "vgg16 fine-tuning", "batch": batch, "steps": 2, **shape}
    # A step takes seconds: nothing is gained by several in a call, or by a fused optimizer.
    tuned = {"tf.keras": {way: training.SETTINGS["tf.keras"][way] for way in ("graph", "XLA")}}
    contenders = line_up(
        options.contenders, "benchmarks.training:fit", "benchmarks.training:torch_fit",
        shared, None if options.quick else tuned,
    )  # fmt: skip
    title = f"VGG16 fine-tuning step, blocks 4 and 5, {size} x {size}, batch {batch}"
    return [*found, Case(title, contenders)]


def run(options: Any) -> dict[str, Any]:
    """All turns and ratios, by case."""
    return compare(options.chosen(cases(options)), options.rounds)
