"""Where a training is, so that it can go on from there."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass
class Position:
    """The next step to take.

    Attributes:
        epoch: number of the epoch, from 0.
        step: steps of this epoch that are done.
        random_state: of the shared generator when the epoch began, before the shuffle was
            drawn; see `tinyconv.random.get_state`.
    """

    epoch: int = 0
    step: int = 0
    random_state: dict[str, Any] | None = None
