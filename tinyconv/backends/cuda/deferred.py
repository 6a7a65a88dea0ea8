"""Numbers that nobody has looked at yet."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Sequence, ValuesView
from typing import Any


class DeferredLogs(dict[str, float]):
    """The logs of a step: a dict whose numbers are read from the device at the first look.

    The names are known at once. `dict(logs)` reads.

    Args:
        names: of the numbers, in order.
        read: gives all of them.
    """

    def __init__(self, names: Sequence[str], read: Callable[[], dict[str, float]]) -> None:
        super().__init__(dict.fromkeys(names, 0.0))
        self._read: Callable[[], dict[str, float]] | None = read

    def _look(self) -> None:
        if self._read is not None:
            values = self._read()  # it may raise; then the next look does, too
            self._read = None
            for name, value in values.items():
                if name in self.keys():
                    super().__setitem__(name, value)

    def __setitem__(self, name: str, value: float) -> None:
        self._look()  # or what is set now would be overwritten
        super().__setitem__(name, value)

    def __getitem__(self, name: str) -> float:
        self._look()
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:  # without one of its own, dict() would copy unread
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dict."""
        self._look()
        return super().get(name, default)

    def items(self) -> ItemsView[str, float]:  # type: ignore[override]
        """As of a dict."""
        self._look()
        return super().items()

    def values(self) -> ValuesView[float]:  # type: ignore[override]
        """As of a dict."""
        self._look()
        return super().values()

    def copy(self) -> dict[str, float]:
        """As of a dict."""
        return dict(self)

    def pop(self, *arguments: Any) -> Any:
        """As of a dict."""
        self._look()
        return super().pop(*arguments)

    def update(self, *others: Any, **named: float) -> None:
        """As of a dict."""
        self._look()
        super().update(*others, **named)

    def __eq__(self, other: object) -> bool:
        self._look()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> Any:
        return dict, (dict(self),)
