"""Graphs that nobody thought of: branches, merges, shared layers, models in models, frozen parts.

As `random_networks`, whose layers they are made of. One pass with random cotangents on all
outputs, in training and in inference, and the gradients of one step of training.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from parity.case import Case, Results
from parity.cases.graph import Call, Graph
from parity.cases.network import Described
from parity.cases.random_networks import _conv, _elementwise, _output_shape, _pad, _pool
from parity.data import draw
from parity.sides.base import Batch, Side
from parity.tolerances import NETWORK

QUICK, FULL = 10, 60  # examples

Shape = tuple[int, ...]
_N = 13  # longer than most axes; see merging._BATCH
_VECTORS = ("Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D")
_ACTIVATIONS = st.sampled_from([None, "relu", "tanh", "sigmoid", "softmax"])


class _Sketch:
    """A graph under construction: the shapes of its values, and what has been called."""

    def __init__(self, inputs: list[Shape]) -> None:
        self.inputs, self.shapes = tuple(inputs), list(inputs)
        self.layers: list[Any] = []
        self.calls: list[Call] = []

    def call(self, layer: int, sources: tuple[int, ...], made: list[Shape]) -> None:
        self.calls.append(Call(layer, sources))
        self.shapes += made

    def add(self, described: Any, sources: tuple[int, ...], made: list[Shape]) -> None:
        self.layers.append(described)
        self.call(len(self.layers) - 1, sources, made)

    def sinks(self) -> list[int]:
        """Values that nothing is made of."""
        used = {source for call in self.calls for source in call.sources}
        return [place for place in range(len(self.shapes)) if place not in used]

    def made_by(self, place: int) -> tuple[Call, list[Shape]]:
        """A call and the shapes of what it gave."""
        start = len(self.inputs)
        for call in self.calls[:place]:
            start += self._count(call)
        call = self.calls[place]
        return call, self.shapes[start : start + self._count(call)]

    def _count(self, call: Call) -> int:
        layer = self.layers[call.layer]
        return len(layer.outputs) if isinstance(layer, Graph) else 1


@st.composite
def graphs(draw_one: st.DrawFn, inside: tuple[Shape, ...] | None = None) -> Graph:
    """One or two inputs, two to six calls; models in it unless it is `inside` of one itself."""
    sketch = _Sketch(list(inside or draw_one(_inputs())))
    kinds = ["new", "new", "add", "join", "again", *([] if inside else ["model", "vectors"])]
    for _ in range(draw_one(st.integers(1, 3) if inside else st.integers(2, 6))):
        at = draw_one(st.integers(0, len(sketch.shapes) - 1))
        draw_one(_KINDS[draw_one(st.sampled_from(kinds))](sketch, at))
    for place in sketch.sinks():
        if place < len(sketch.inputs):  # every input is used
            sketch.add(("Rescaling", {"scale": 0.5}), (place,), [sketch.shapes[place]])
    outputs = sketch.sinks()
    if draw_one(st.booleans()) and sketch.calls:  # and an inner value, or one of them once more
        inner = draw_one(st.integers(len(sketch.inputs), len(sketch.shapes) - 1))
        outputs += [inner] if inner not in outputs else []
    frozen = [place for place in range(len(sketch.layers)) if draw_one(st.integers(0, 4)) == 0]
    return Graph(
        sketch.inputs, tuple(sketch.layers), tuple(sketch.calls), tuple(outputs), tuple(frozen)
    )


@st.composite
def _inputs(draw_one: st.DrawFn) -> list[Shape]:
    image = st.tuples(st.integers(2, 5), st.integers(2, 5), st.integers(1, 3))
    found: list[Shape] = [draw_one(st.one_of(image, st.tuples(st.integers(1, 5))))]
    if draw_one(st.booleans()):
        other = st.one_of(image, st.tuples(st.integers(1, 5)))
        found.append(draw_one(st.one_of(st.just(found[0]), other)))
    return found


@st.composite
def _new(draw_one: st.DrawFn, sketch: _Sketch, at: int) -> None:
    """A layer of its own."""
    shape = sketch.shapes[at]
    described: Described
    if len(shape) == 3:
        kinds = [_conv(shape), _conv(shape), _pool(shape), _elementwise()]
        described = draw_one(st.one_of(*kinds, *([_pad(shape)] if max(shape) < 8 else [])))
    else:
        units = st.integers(1, 5)
        dense = st.fixed_dictionaries({"units": units, "activation": _ACTIVATIONS})
        plain = st.tuples(st.just("Dense"), dense)
        described = draw_one(st.one_of(plain, plain, _elementwise()))
    sketch.add(described, (at,), [_output_shape(described, shape)])


@st.composite
def _vectors(draw_one: st.DrawFn, sketch: _Sketch, at: int) -> None:
    """From an image to a vector."""
    shape = sketch.shapes[at]
    described: Described = (draw_one(st.sampled_from(_VECTORS)) if len(shape) == 3 else "Flatten",
                            {})  # fmt: skip
    sketch.add(described, (at,), [_output_shape(described, shape)])


@st.composite
def _again(draw_one: st.DrawFn, sketch: _Sketch, at: int) -> None:
    """A layer or model that was called before, on other values of the same shapes."""
    if not sketch.calls:
        draw_one(_new(sketch, at))
        return
    call, made = sketch.made_by(draw_one(st.integers(0, len(sketch.calls) - 1)))
    sources = []
    for source in call.sources:
        alike = [n for n, shape in enumerate(sketch.shapes) if shape == sketch.shapes[source]]
        sources.append(draw_one(st.sampled_from(alike)))
    sketch.call(call.layer, tuple(sources), made)


@st.composite
def _add(draw_one: st.DrawFn, sketch: _Sketch, at: int) -> None:
    whole, sources = sketch.shapes[at], [at]
    for _ in range(draw_one(st.integers(1, 3))):
        fitting = [n for n, shape in enumerate(sketch.shapes) if _repeats(whole, shape)]
        sources.append(draw_one(st.sampled_from(fitting)))
        other = sketch.shapes[sources[-1]]
        whole = tuple(max(a, b) for a, b in zip(whole, other, strict=True))
    sketch.add(("Add", {}), tuple(draw_one(st.permutations(sources))), [whole])


def _repeats(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(x == y or 1 in (x, y) for x, y in zip(a, b, strict=True))


@st.composite
def _join(draw_one: st.DrawFn, sketch: _Sketch, at: int) -> None:
    shape = sketch.shapes[at]
    axis = draw_one(st.integers(0, len(shape) - 1))
    rest = (*shape[:axis], *shape[axis + 1 :])
    fitting = [
        n for n, other in enumerate(sketch.shapes)
        if len(other) == len(shape) and (*other[:axis], *other[axis + 1 :]) == rest
    ]  # fmt: skip
    more = st.lists(st.sampled_from(fitting), min_size=1, max_size=2)
    sources = (at, *draw_one(more))
    length = sum(sketch.shapes[source][axis] for source in sources)
    joined = (*shape[:axis], length, *shape[axis + 1 :])
    given = draw_one(st.sampled_from([axis + 1, axis - len(shape)]))
    sketch.add(("Concatenate", {"axis": given}), sources, [joined])


@st.composite
def _model(draw_one: st.DrawFn, sketch: _Sketch, at: int) -> None:
    """A graph of its own, of one or two inputs."""
    sources: tuple[int, ...] = (at,)
    if draw_one(st.booleans()):
        sources = (at, draw_one(st.integers(0, len(sketch.shapes) - 1)))
    graph = draw_one(graphs(tuple(sketch.shapes[source] for source in sources)))
    sketch.add(graph, sources, shapes_of(graph))


_KINDS = {
    "new": _new, "again": _again, "add": _add, "join": _join, "model": _model, "vectors": _vectors,
}  # fmt: skip


def shapes_of(graph: Graph) -> list[Shape]:
    """Shapes of its outputs, by tinyconv; that Keras agrees is part of what is compared."""
    import tinyconv

    outputs = graph.draw(tinyconv, "shapes").outputs
    return [tuple(int(n or 0) for n in tensor.shape[1:]) for tensor in outputs]


def graph_case(graph: Graph, name: str = "") -> Case:
    """Both libraries build the description, look at it in both modes, and take one step."""

    def measure(side: Side, dtype: str) -> Results:
        xs = [draw("normal", (_N, *shape), place).astype(dtype)
              for place, shape in enumerate(graph.inputs)]  # fmt: skip
        ys = [draw("normal", (_N, *shape), "target", place).astype(dtype)
              for place, shape in enumerate(shapes_of(graph))]  # fmt: skip
        x = xs if len(xs) > 1 else xs[0]
        batch = Batch(x, ys if len(ys) > 1 else ys[0])
        results: Results = {}
        for mode in (True, False):
            found = side.layer(graph.build(side, dtype), [x], mode)
            results |= {f"{key}, {'training' if mode else 'inference'}": value
                        for key, value in found.items()}  # fmt: skip
        model = graph.build(side, dtype)
        side.compile(model, side.library.optimizers.SGD(1e-3), "mse")
        if not model.trainable_weights:
            return results
        return results | side.gradients(model, batch)

    return Case(
        "random graphs", name or graph.words, measure, graph.uses,
        tolerance=NETWORK, note=graph.words, floor=1e-2, conditioned=True,
    )  # fmt: skip


def count(quick: bool) -> int:
    """How many to draw unless somebody says so."""
    return QUICK if quick else FULL


def drawn(examples: int) -> list[Graph]:
    """That many different graphs, the same in every run."""
    found: dict[str, Graph] = {}

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(graphs())
    def collect(graph: Graph) -> None:
        found.setdefault(graph.words, graph)

    collect()
    return list(found.values())


def cases(examples: int) -> list[Case]:
    """A case for each of them."""
    return [
        graph_case(graph, f"{place}: {len(graph.calls)} calls")
        for place, graph in enumerate(drawn(examples), 1)
    ]
