"""How a backend with several algorithms of convolution takes one of them for a case.

A backend brings its algorithms and its rule (chooser.py of each); that somebody may ask for
another one, and what happens where that one can't do the case, is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple


class Choice(NamedTuple):
    """An algorithm by name, the algorithm itself, and why it was chosen."""

    name: str
    algorithm: Any
    reason: str


class Chooser:
    """Chooses among algorithms by name.

    Args:
        algorithms: each says by reason_against(case) why it can't do a case, or None.
        rule: the name of the algorithm for a case, and the reason.
    """

    def __init__(
        self, algorithms: Mapping[str, Any], rule: Callable[[Any], tuple[str, str]]
    ) -> None:
        self._algorithms, self._rule = algorithms, rule
        self._chosen = lru_cache(4096)(self._choose)

    def check(self, asked: str) -> None:
        """Raises ValueError unless it is the name of an algorithm."""
        if asked not in self._algorithms:
            names = list(self._algorithms)
            raise ValueError(f"conv must be one of {names}. Received: conv={asked!r}")

    def choose(self, case: Any, asked: str | None = None) -> Choice:
        """The algorithm for a case; the one `asked` for wherever it can do the case."""
        return self._chosen(case, asked)

    def _choose(self, case: Any, asked: str | None) -> Choice:
        instead = ""
        if asked is not None:
            self.check(asked)
            against = self._algorithms[asked].reason_against(case)
            if against is None:
                return Choice(asked, self._algorithms[asked], "asked for")
            instead = f"{asked} cannot: {against}; "
        name, reason = self._rule(case)
        return Choice(name, self._algorithms[name], instead + reason)
