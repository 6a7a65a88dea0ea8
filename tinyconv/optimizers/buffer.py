"""All trained parameters of a model in one flat array, and their gradients in another.

    values     | conv2d/kernel | conv2d/bias | dense/kernel ...      |
    gradients  |      ...      |     ...     |     ...               |

Each layer's `params[key]` becomes a view into `values`, so one fused update of
the flat array moves every parameter of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array

_ALIGN = 16  # elements, 64 bytes of float32: every parameter starts on a cache line


class ParameterBuffer:
    """Moves the values of `variables` into one flat array and makes them views of it.

    Args:
        variables: objects with `path`, `value` (readable and settable) and `shape`.

    Raises:
        ValueError: if their dtypes differ.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        xp = get_backend().xp
        dtypes = {variable.dtype for variable in variables}
        if len(dtypes) > 1:
            raise ValueError(
                f"the trainable weights must have one dtype. Received: {sorted(dtypes)}"
            )
        dtype = dtypes.pop() if dtypes else "float32"
        sizes = [variable.value.size for variable in variables]
        starts = [0]
        for size in sizes:
            starts.append(starts[-1] + -(-size // _ALIGN) * _ALIGN)
        self.values: Array = xp.zeros(starts[-1], dtype)
        self.gradients: Array = xp.zeros(starts[-1], dtype)
        self.paths = [variable.path for variable in variables]
        self._places = [
            (slice(start, start + size), variable.shape)
            for variable, start, size in zip(variables, starts, sizes, strict=False)
        ]
        self.gradient_views = self.views(self.gradients)
        self.places = dict(zip(self.paths, self.gradient_views, strict=True))
        for variable, view in zip(variables, self.views(self.values), strict=True):
            view[...] = get_backend().asarray(variable.value)
            variable.value = view

    @property
    def count(self) -> int:
        """Number of the parameters, without what lies between them."""
        return sum(place.stop - place.start for place, _ in self._places)

    def views(self, flat: Array) -> list[Array]:
        """The parts of a flat array like `values`, one a parameter, in its shape."""
        return [flat[place].reshape(shape) for place, shape in self._places]

    def holds(self, variables: Sequence[Any]) -> bool:
        """Whether these variables, and no others, still are the views made here."""
        return [variable.path for variable in variables] == self.paths and all(
            variable.value.base is self.values for variable in variables
        )

    def collect(self, grads: Mapping[str, Array]) -> None:
        """Copy the gradients, keyed by path, into the flat array, but those that lie there."""
        for path, place in self.places.items():
            if grads[path] is not place:
                place[...] = grads[path]
