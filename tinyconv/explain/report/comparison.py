"""The sections that compare the layers: what comes out, what the loss says, what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyconv import losses
from tinyconv.backends import get_backend
from tinyconv.explain.activations import activations
from tinyconv.explain.gradients import draw_gradients, gradients_of
from tinyconv.explain.report.layers import layer_id, shape_text
from tinyconv.explain.report.markup import Html, joined, paragraph, tag
from tinyconv.explain.report.pictures import drawing
from tinyconv.explain.report.subject import Subject
from tinyconv.explain.trace import TraceRow
from tinyconv.explain.trace_table import bytes_text, count_text
from tinyconv.training.batch import Batch
from tinyconv.training.objective import Objective

_ROWS = 14  # of layers that are compared with each other


def sizes(about: Subject) -> Html:
    """How large the outputs are, how many zeros; and how the loss pulls at the kernels."""
    every = [n for n, call in enumerate(about.calls) if call.layer.activation.name != "linear"]
    every = every or [n for n, call in enumerate(about.calls) if call.layer.params]
    every = every or list(range(len(about.calls)))
    rows = _some(every)
    paths = list(dict.fromkeys(about.calls[n].path for n in rows))
    figure = activations(about.model, about.walk.inputs[0], paths)
    parts = [
        paragraph(
            "The values that come out of the layers. Half of what a ReLU gives is zero as a rule; "
            "units that are zero for one image may well speak for another."
            + _left(len(rows), len(every))
        ),
        drawing(figure, "distribution of each layer's output", _call("activations(model, x)")),
        _pull(about),
    ]
    return joined(parts)


def _pull(about: Subject) -> Html | None:
    """What a training step on this image would do."""
    objective = _objective(about)
    if objective is None or about.scored is None:
        return None
    name = about.name(about.scored.class_index)
    if not about.model.trainable_weights:
        return tag(
            "p", "No layer of this model is trained, so there are no gradients.", class_="note"
        )
    told = gradients_of(about.model, objective, _batch(about), training=False)
    if not any(each.norm for each in told.parameters):
        return paragraph(
            f"Were {name} the truth, the loss would be {told.loss:.3g} and all gradients 0: the "
            "network is so sure that there is nothing to learn from this image."
        )
    kernels = [each for each in told.parameters if each.gradient.ndim > 1]
    learning = [slope for slope in told.slopes if slope.learns]
    rows = _some(range(len(kernels)))
    few = told._replace(
        parameters=[kernels[n] for n in rows] or told.parameters,
        slopes=[learning[n] for n in _some(range(len(learning)))],
    )
    text = (
        f"Were this a training image, and {name} the truth, the loss would be {told.loss:.3g}. "
        "This is how it would pull at each kernel: bars that shrink by powers of ten towards the "
        "first layer are gradients that vanish." + _left(len(rows), len(kernels))
    )
    figure = draw_gradients(few)
    code = _call("gradients(model, x, y, training=False)")
    return joined([paragraph(text), drawing(figure, "gradient of each kernel", code)])


def _objective(about: Subject) -> Objective | None:
    """The loss that goes with the model's last activation."""
    if about.chances is None:
        return None
    ending = about.model.final_activations[0]
    loss: losses.Loss | None = None
    if ending == "sigmoid":
        loss = losses.BinaryCrossentropy()
    elif ending == "softmax":
        loss = losses.SparseCategoricalCrossentropy()
    elif ending == "linear" and len(about.chances) > 1:
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    return None if loss is None else Objective(about.model, about.model.output_names, loss)


def _batch(about: Subject) -> Batch:
    assert about.scored is not None
    truth, units = about.scored.class_index, about.walk.outputs[0].shape[1]
    if about.model.final_activations[0] == "sigmoid":
        y = np.full((1, 1), truth) if units == 1 else np.eye(units)[[truth]]
    else:
        y = np.array([truth])
    return Batch(about.walk.inputs, [get_backend().asarray(y)], [None])


def _some(rows: Sequence[int]) -> list[int]:
    """All, or of many some that are spread evenly, the first and the last among them."""
    steps = np.linspace(0, len(rows) - 1, min(_ROWS, len(rows)))
    return [rows[round(float(step))] for step in steps]


def _left(shown: int, total: int) -> str:
    return f" {shown} of {total} layers are shown." if shown < total else ""


def _call(text: str) -> Html:
    return tag("code", f"explain.{text}", class_="call")


# ---- the cost -----------------------------------------------------------------------


def cost(about: Subject) -> Html:
    """The trace as a table."""
    trace, total = about.trace, about.trace.total
    spent = 1e3 * (total.seconds + total.backward_seconds)
    told = f"{spent:,.0f}" if spent >= 100 else f"{spent:.3g}"
    text = (
        f"{total.parameters:,} parameters, {count_text(total.multiply_adds)} multiply-adds "
        f"forward and {count_text(total.backward_multiply_adds)} backward, {told} ms "
        "there and back on this machine, layer by layer for this one image. Networks in use "
        "compute some layers together and are faster. Moved: the bytes that must be read and "
        "written at least. Kept: those that stay in memory for the way back."
    )
    titles = [
        "layer", "time", "output", "parameters", "multiply-adds", "(back)", "moved", "(back)",
        "kept", "ms", "(back)",
    ]  # fmt: skip
    most = max(trace.share(row) for row in trace)
    rows = []
    for number, row in enumerate(trace):
        share = trace.share(row)
        fill = tag("i", style=f"width:{share / most:.1%}")
        rows.append(
            tag(
                "tr",
                tag("th", tag("a", row.name, href=f"#{layer_id(number)}"), scope="row"),
                tag("td", tag("span", fill, class_="track"), f"{share:.1%}", class_="share"),
                [tag("td", cell) for cell in _cells(row)],
            )
        )
    rows.append(
        tag("tr", tag("th", "total", scope="row"), tag("td"), [tag("td", c) for c in _cells(total)])
    )
    head = tag("tr", [tag("th", title, scope="col") for title in titles])
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return joined(
        [
            paragraph(text),
            tag("div", table, class_="scroll", tabindex=0),
            _call(f"trace(model, x)  # {trace.title}"),
        ]
    )


def _cells(row: TraceRow) -> list[str]:
    return [
        shape_text(row.output),
        f"{row.parameters:,}",
        count_text(row.multiply_adds),
        count_text(row.backward_multiply_adds),
        bytes_text(row.bytes_moved),
        bytes_text(row.backward_bytes_moved),
        bytes_text(row.kept),
        f"{1e3 * row.seconds:.3f}",
        f"{1e3 * row.backward_seconds:.3f}",
    ]
