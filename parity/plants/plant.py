"""What a planted error is: a change of tinyconv for the time of a block, and what it must break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from unittest import mock

from parity.case import Case
from tinyconv import backends, geometry

Function = Callable[..., Any]


class Plant(NamedTuple):
    """An error, as somebody might make it.

    Attributes:
        name: what is done wrong.
        patterns: of the ids of cases, every one of which must turn red.
        planted: enters the error into tinyconv on this backend, and takes it out again.
    """

    name: str
    patterns: tuple[str, ...]
    planted: Callable[[str], AbstractContextManager[Any]]

    def cases(self, among: tuple[Case, ...]) -> list[Case]:
        """Those that must turn red.

        Raises:
            ValueError: for a pattern that no case matches.
        """
        found: list[Case] = []
        for pattern in self.patterns:
            matching = [case for case in among if fnmatchcase(case.id, pattern)]
            if not matching:
                raise ValueError(f"{self.name}: no case matches {pattern!r}")
            found.extend(case for case in matching if case not in found)
        return found


def operation(
    name: str, method: str, spoil: Callable[[Function], Function], *patterns: str
) -> Plant:
    """An operation of the backend in use, replaced by spoil(operation)."""

    def planted(backend: str) -> AbstractContextManager[Any]:
        owner = type(backends.load(backend))
        return mock.patch.object(owner, method, spoil(getattr(owner, method)))

    return Plant(name, patterns, planted)


def function(
    name: str, owner: Any, attribute: str, spoil: Callable[[Any], Any], *patterns: str
) -> Plant:
    """An attribute of a class or a module, replaced by spoil(attribute)."""

    @contextmanager
    def planted(backend: str) -> Iterator[None]:
        geometry.slide.cache_clear()  # windows that were resolved without the error
        try:
            with mock.patch.object(owner, attribute, spoil(getattr(owner, attribute))):
                yield
        finally:
            geometry.slide.cache_clear()  # or with it

    return Plant(name, patterns, planted)


def default(name: str, owner: Any, argument: str, value: Any, *patterns: str) -> Plant:
    """Another default value for an argument of a constructor."""
    import inspect

    @contextmanager
    def planted(backend: str) -> Iterator[None]:
        init = owner.__init__
        parameters = inspect.signature(init).parameters.values()
        values = tuple(
            value if parameter.name == argument else parameter.default
            for parameter in parameters
            if parameter.default is not parameter.empty
        )
        with mock.patch.object(init, "__defaults__", values):
            yield

    return Plant(name, patterns, planted)


def during(attribute: str, change: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """spoil for a method: another value of self.attribute while it runs."""

    def spoil(method: Function) -> Function:
        def spoiled(self: Any, *args: Any, **kwargs: Any) -> Any:
            before = getattr(self, attribute)
            setattr(self, attribute, change(before))
            try:
                return method(self, *args, **kwargs)
            finally:
                setattr(self, attribute, before)

        return spoiled

    return spoil


def after(change: Function) -> Callable[[Function], Function]:
    """spoil for anything: its result changed, change(result, self or first argument, ...)."""

    def spoil(original: Function) -> Function:
        def spoiled(*args: Any, **kwargs: Any) -> Any:
            return change(original(*args, **kwargs), *args, **kwargs)

        return spoiled

    return spoil


def before(change: Function) -> Callable[[Function], Function]:
    """spoil for anything: other arguments, change(*args) returning all of them."""

    def spoil(original: Function) -> Function:
        def spoiled(*args: Any) -> Any:
            return original(*change(*args))

        return spoiled

    return spoil
