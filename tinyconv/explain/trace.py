"""A training step in slow motion: what every layer computes, how much, and how long it takes.

The layers are run one by one, by the model's own executor under a plan that joins nothing
(`models/plan.py`): so every layer has a row of its own. `fit` and `predict` compute some layers
together, and are faster than the sum of these rows.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from tinyconv.backends import get_backend
from tinyconv.explain.counting import multiply_adds
from tinyconv.explain.formulas import Formula, formula
from tinyconv.explain.timing import Before, Timed, timed_plan
from tinyconv.explain.walk import batch
from tinyconv.geometry import Shape
from tinyconv.models.graph import Tape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinyconv.models.model import Model


class TraceRow(NamedTuple):
    """One call of a layer, with the batch it was traced on.

    Attributes:
        name: of the layer, after those of the models that it lies in: "vgg16/block1_conv1".
        kind: its class.
        formula: what it computes, forward and backward.
        inputs, output: shapes, the batch included.
        parameters: number of values of the layer that are saved, statistics included; 0 where
            it is called again.
        multiply_adds, backward_multiply_adds: see `counting.multiply_adds`; None where unknown.
        bytes_moved, backward_bytes_moved: the least that must be read and written, each array
            once: inputs, parameters, output and what is kept; and on the way back dy, what was
            kept, parameters, dx and gradients.
        seconds, backward_seconds: median of the runs.
        kept: bytes that stay in memory for the way back because of this layer, and not because
            of one before it already.
    """

    name: str
    kind: str
    formula: Formula
    inputs: list[Shape]
    output: Shape
    parameters: int
    multiply_adds: int | None
    backward_multiply_adds: int | None
    bytes_moved: int
    backward_bytes_moved: int
    seconds: float
    backward_seconds: float
    kept: int


class Trace(list[TraceRow]):
    """A row a call, in the order of the data; prints as a table, and draws where the time goes.

    Attributes:
        title: model, batch, dtype and backend.
    """

    def __init__(self, rows: list[TraceRow], title: str) -> None:
        super().__init__(rows)
        self.title = title

    @property
    def total(self) -> TraceRow:
        """The sums; multiply-adds of the layers where they are known."""
        if not self:
            raise ValueError(f"{self.title}: there is no layer")
        columns = {
            key: sum(getattr(row, key) or 0 for row in self)
            for key in TraceRow._fields[TraceRow._fields.index("parameters") :]
        }
        ends = {"inputs": self[0].inputs, "output": self[-1].output}
        return TraceRow("total", "", Formula("", "", ""), **ends, **columns)  # type: ignore[arg-type]

    def share(self, row: TraceRow) -> float:
        """Of the time of all rows, forward and backward."""
        spent = sum(each.seconds + each.backward_seconds for each in self)
        return (row.seconds + row.backward_seconds) / spent

    def __str__(self) -> str:
        from tinyconv.explain.trace_table import text

        return text(self)

    def figure(self) -> Figure:
        """The time of each layer as a bar, forward and backward.

        Raises:
            ImportError: if matplotlib is not installed.
        """
        from tinyconv.explain.trace_picture import draw

        return draw(self)


def trace(model: Model, x: Any, training: bool = True, runs: int = 5) -> Trace:
    """Time and count each layer of a model on these images.

    What is measured is a step of training without its loss and update: only what is trained, or
    has something trained below it, has a way back. The model is built if need be, and otherwise
    left as it was, its statistics included.

    Args:
        model: any, compiled or not.
        x: images (N, H, W, C), or what else the model takes; the counts are of them all.
        training: False for inference, without a way back.
        runs: measured, after one that is not, in which kernels may be compiled.

    Example:
        >>> print(tinyconv.explain.trace(model, x_train[:32]))

    Raises:
        ValueError: for inputs that do not fit the model, or no run.
    """
    if runs < 1:
        raise ValueError(f"trace: runs must be at least 1. Received: runs={runs}")
    asarray = get_backend().asarray
    given = zip(batch(model, x), model.input_dtypes, strict=True)
    inputs = [asarray(each, dtype) for each, dtype in given]
    graph = model.graph
    plan, blocks = timed_plan(graph, training)
    before = Before(model)
    try:
        for _ in range(runs + 1):
            outputs, caches = graph.run(inputs, plan)
            if training:
                slopes = [get_backend().xp.ones_like(y) for y in outputs]
                graph.backward(slopes, Tape(plan, caches), last=True)
    finally:
        before.put_back()
    title = (
        f"{model!r}, {len(inputs[0])} samples, {'/'.join(sorted(set(model.input_dtypes)))}, "
        f"{'training' if training else 'inference'}, backend {get_backend().name}"
    )
    return Trace(_rows(blocks), title)


def _rows(blocks: list[Timed]) -> list[TraceRow]:
    rows, held, counted = [], set[int](), set[int]()
    for block in blocks:
        layer, path = block.layer, block.calls[0].path
        work = multiply_adds(layer, block.outputs[0])
        ways = block.need_dx + (block.need_parameters and bool(layer.params))
        back = bool(block.backward_seconds)
        rows.append(
            TraceRow(
                path,
                type(layer).__name__,
                formula(layer),
                block.inputs,
                block.outputs[0],
                0 if id(layer) in counted else layer.count_params(),
                work,
                work if work is None else work * ways * back,
                block.moved,
                block.backward_moved,
                statistics.median(block.seconds[1:]),
                statistics.median(block.backward_seconds[1:]) if back else 0.0,
                sum(n for place, n in block.kept.items() if place not in held),
            )
        )
        held.update(block.kept)
        counted.add(id(layer))
    return rows
