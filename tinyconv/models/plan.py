"""The plan of a pass: what is computed together, what is kept, what is never computed.

    steps    conv -> relu -> pool -> flatten -> dense -> norm -> relu
    blocks   [  conv_block      ]    [flatten]  [dense_]  [batch_norm_]

A convolution whose output goes through memory before the bias is added, again before the
activation, and again before pooling, waits for the memory most of the time. Where nobody
else takes what lies between, those steps become one block, and the backend computes it as
one operation that keeps what lies between in the cache.

The rules, all of them:
- Steps go together where each takes what the one before it gives, that value is no output
  and has no other taker, and all compute in one dtype.
- Only these very classes, and no method replaced: one derived from them may compute
  something else.
- What a step keeps for the way back is kept only above something that is trained; the slope
  of a block's input is computed only if something below it is trained, the gradients of
  parameters only where they are.
- On no way back, a BatchNormalization that is constant is folded into the layer before it
  (`folding.py`), and the convolution that ends a branch adds the other branch to its result.

Memory follows from the same rules, with no list of who uses which piece when. Every large
array comes from a pool and returns to it with its last reference (`numba/workspace.py`); a
pass lets go of a value after its last taker, and a training step of a cache once it has been
gone back through. So what backward needs is kept, everything else shares the memory of two
or three values, and after the first steps nothing large is allocated, but by the few layers
that NumPy computes (Dropout, ZeroPadding2D, Concatenate, GlobalMaxPooling2D). Arrays belong to
the call that made them: several threads may predict at once.

A plan depends on the mode and on what is trained, not on the batch. `Graph.plan` makes one
when it is first asked for and whenever such a thing has changed.
`tinyconv.config.set_planning(False)` computes layer by layer instead: the same numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tinyconv import config
from tinyconv.backends.base import LINEAR
from tinyconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    MaxPooling2D,
    ReLU,
)
from tinyconv.layers.base import Layer
from tinyconv.models.blocks import Affine, Alone, Block, Call, Normalized, Summed
from tinyconv.models.inference_blocks import Folded, Residual

if TYPE_CHECKING:
    from tinyconv.models.graph import Graph

_FUNCTIONS = (Activation, ReLU)
_JOINED: dict[type, type[Block]] = {BatchNormalization: Normalized, Add: Summed}
_FIRST = (Conv2D, Dense, *_JOINED)
_METHODS = frozenset(
    ["forward", "backward", "backward_parameters", "backward_input", "infer", "compute", "window"]
)


class Work(NamedTuple):
    """One block at its place in the graph.

    Attributes:
        block: what is computed.
        sources, targets: slots of its inputs and outputs.
        listed: whether it takes a list, also of one input.
        wanted: for each source, whether the slope of its value is wanted.
        spent: slots that nobody needs after it.
    """

    block: Block
    sources: list[int]
    targets: list[int]
    listed: bool
    wanted: list[bool]
    spent: list[int]


def state(layer: Layer) -> tuple[Any, ...]:
    """What a plan depends on and somebody may change at any time."""
    replaced = not _METHODS.isdisjoint(layer.__dict__)
    return layer.trainable, layer.trains, layer.activation, replaced


class Plan:
    """The blocks of a pass through a graph, in order.

    Args:
        graph: of the steps.
        training: the mode.
        needed: for each input, whether the loss' slope by it is wanted; None if there is no
            way back at all, and nothing is kept.
        logits: for each output, whether its last layer leaves its activation out.
        frozen_too: whether the way back gives the gradients of frozen parameters as well.
    """

    def __init__(
        self,
        graph: Graph,
        training: bool,
        needed: Sequence[bool] | None,
        logits: Sequence[bool],
        frozen_too: bool,
    ) -> None:
        self.steps, self.training, self._frozen_too = graph.steps, training, frozen_too
        self._bare = {step for step, left in zip(graph.last_steps, logits, strict=False) if left}
        self._wanted = self._find_wanted(graph, needed)
        uses = Counter([*graph.outputs, *(slot for s in graph.steps for slot in s.sources)])
        takers = {slot: number for number, s in enumerate(graph.steps) for slot in s.sources}
        self._next = {slot: takers[slot] for slot in takers if uses[slot] == 1}
        self._there = set(graph.inputs)  # slots whose value exists when the next block begins
        self.work: list[Work] = []
        done: set[int] = set()
        for number in range(len(graph.steps)):
            if number not in done:
                chain = self._chain(number)
                done.update(chain)
                self.work.append(self._work(chain))
                self._there.update(self.work[-1].targets)
        seen = set(graph.outputs)
        for work in reversed(self.work):
            work.spent.extend({*work.sources, *work.targets} - seen)
            seen.update(work.spent)

    def _find_wanted(self, graph: Graph, needed: Sequence[bool] | None) -> list[bool]:
        """For each slot: does its value depend on something that has a gradient?"""
        wanted = [False] * graph.slots
        if needed is None:
            return wanted
        for slot, need in zip(graph.inputs, needed, strict=True):
            wanted[slot] = need
        for step in graph.steps:
            if step.layer.trains or any(wanted[slot] for slot in step.sources):
                for slot in step.targets:
                    wanted[slot] = True
        return wanted

    # ---- which steps go together ----------------------------------------------

    def _chain(self, number: int) -> list[int]:
        """The steps of the block that begins at this one."""
        chain, layer = [number], self.steps[number].layer
        if not config.planning() or not _is_one_of(layer, *_FIRST):
            return chain
        if type(layer) is Add:
            several = len(self.steps[number].sources) > 1
            return chain + (self._after(chain, *_FUNCTIONS) if several else [])
        if type(layer) is not BatchNormalization:
            norm = self._after(chain, BatchNormalization)
            if norm and self._folds(number, norm[0]):
                chain += norm
        if type(layer) is Conv2D and layer.activation == LINEAR and (total := self._total(chain)):
            return chain + total + self._after(total, *_FUNCTIONS)
        if type(layer) is BatchNormalization or layer.activation == LINEAR:
            chain += self._after(chain, *_FUNCTIONS)
        if type(layer) is Conv2D:
            chain += self._after(chain, MaxPooling2D)
        return chain

    def _after(self, chain: list[int], *classes: type) -> list[int]:
        """The step that alone takes what the chain gives, if it is of such a class; else none."""
        last = self.steps[chain[-1]]
        number = self._next.get(last.targets[0])
        if number is None or self.steps[number].listed:
            return []
        layer = self.steps[number].layer
        return [number] if _is_one_of(layer, *classes) and layer.dtype == last.layer.dtype else []

    def _total(self, chain: list[int]) -> list[int]:
        """The sum of what the chain gives and of what is there already, if nothing is kept."""
        made = self.steps[chain[-1]].targets[0]
        number = self._next.get(made)
        if number is None or len(self.steps[number].sources) != 2:
            return []
        step = self.steps[number]
        fits = _is_one_of(step.layer, Add) and step.layer.dtype == self.steps[chain[0]].layer.dtype
        there = self._there.issuperset(set(step.sources) - {made})
        return [number] if fits and there and not self._wanted[step.targets[0]] else []

    def _folds(self, affine: int, norm: int) -> bool:
        """Whether a normalisation can be done by the layer before it."""
        step = self.steps[norm]
        return (
            config.batch_norm_folding()
            and self.steps[affine].layer.activation == LINEAR
            and step.layer.constant(self._mode(step))
            and not self._wanted[step.targets[0]]
        )

    # ---- blocks -----------------------------------------------------------------

    def _mode(self, step: Any) -> bool:
        return self.training if step.training is None else bool(step.training)

    def _work(self, chain: list[int]) -> Work:
        steps = [self.steps[number] for number in chain]
        made = {slot for step in steps for slot in step.targets}
        sources = [slot for step in steps for slot in step.sources if slot not in made]
        wanted = [self._wanted[slot] for slot in sources]
        keep = self._wanted[steps[-1].targets[0]]
        block = self._block(chain, keep, any(wanted))
        listed = any(step.listed for step in steps)
        return Work(block, sources, steps[-1].targets, listed, wanted, [])

    def _block(self, chain: list[int], keep: bool, need_dx: bool) -> Block:
        steps = [self.steps[number] for number in chain]
        calls = [
            Call(step.layer, step.path, self._mode(step), number in self._bare)
            for number, step in zip(chain, steps, strict=True)
        ]
        layer = calls[0].layer
        needs = keep, need_dx, keep and (self._frozen_too or layer.trains)
        if not config.planning() or not _is_one_of(layer, *_FIRST):
            return Alone(calls, *needs)
        if type(layer) in _JOINED:
            kind = Alone if len(calls) == 1 else _JOINED[type(layer)]
            return kind(calls, *needs)
        for at, call in enumerate(calls):
            if type(call.layer) is Add:
                branch: Any = self._block(chain[:at], False, False)
                return Residual(calls, branch, self._block(chain[at:], False, False))
        pool = calls[-1].layer if type(calls[-1].layer) is MaxPooling2D else None
        if len(calls) > 1 and type(calls[1].layer) is BatchNormalization:
            affine = Affine([calls[0], *calls[2:]], *needs, pool)
            rest = chain[1 : len(chain) - (pool is not None)]
            ends = [chain[-1:]] if pool is not None else []
            apart = [self._block(part, False, False) for part in (chain[:1], rest, *ends)]
            return Folded(calls, affine, apart)
        return Affine(calls, *needs, pool)

    # ---- to be read -------------------------------------------------------------

    def describe(self) -> str:
        """A table of the blocks: layers, operation, what is kept, which slopes are computed."""
        titles = "layers", "computed as", "kept for the way back", "slope of the input"
        rows = [(*titles, "of parameters")]
        for work in self.work:
            block = work.block
            layers = " + ".join(call.path for call in block.calls)
            kind = type(block.calls[0].layer).__name__
            branch = block.branch if isinstance(block, Residual) else block
            folded = " (normalisation folded)" if isinstance(branch, Folded) else ""
            learns = block.keep and any(call.layer.params for call in block.calls)
            slopes = _told(block.keep, block.need_dx), _told(learns, block.need_parameters)
            operation = f"{block.operation or kind}{folded}"
            rows.append((layers, operation, "yes" if block.keep else "nothing", *slopes))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = ["  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)) for r in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(line.rstrip() for line in lines)


def _told(asked: bool, computed: bool) -> str:
    return "-" if not asked else "yes" if computed else "never computed"


def _is_one_of(layer: Any, *classes: type) -> bool:
    """Of exactly such a class, and no method replaced."""
    return type(layer) in classes and _METHODS.isdisjoint(vars(layer))
