"""Arrays that only their device may touch, and the module of functions on them.

They are NumPy's inside, but NumPy cannot get at them, as at CuPy's.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np


class StrictArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of a device; `a` is what only the device may touch."""

    __array_priority__ = 100

    def __init__(self, device: Any, a: np.ndarray, base: Any = None) -> None:
        self.device, self.a, self.base = device, a, base
        if base is None:
            device.took(self)

    # ---- what NumPy asks

    def __array__(self, *arguments: Any, **named: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        return self.device.call(getattr(ufunc, method), inputs, named)

    def __array_function__(self, function: Any, types: Any, args: Any, named: Any) -> Any:
        return self.device.call(function, args, named)

    # ---- what is known without waiting

    shape = property(lambda self: self.a.shape)
    dtype = property(lambda self: self.a.dtype)
    ndim = property(lambda self: self.a.ndim)
    size = property(lambda self: self.a.size)
    nbytes = property(lambda self: self.a.nbytes)
    flags = property(lambda self: self.a.flags)
    itemsize = property(lambda self: self.a.itemsize)
    strides = property(lambda self: self.a.strides)

    def __len__(self) -> int:
        return len(self.a)

    # ---- what waits

    def __float__(self) -> float:
        return float(self.device.read(self))

    def __int__(self) -> int:
        return int(self.device.read(self))

    def __bool__(self) -> bool:
        return bool(self.device.read(self))

    def __index__(self) -> int:
        return int(self.device.read(self))

    def get(self) -> np.ndarray:
        return self.device.read(self).copy()

    def item(self) -> Any:
        return self.device.read(self).item()

    # ---- what is launched

    def _mask(self, key: Any) -> None:
        """CuPy asks the device how much a mask picks, and what it sets comes from the host."""
        for each in key if isinstance(key, tuple) else (key,):
            if isinstance(each, StrictArray) and each.dtype == bool:
                self.device.read(each)

    def __getitem__(self, key: Any) -> Any:
        self._mask(key)
        return self.device.call(lambda a, k: a[k], (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        self._mask(key)
        if isinstance(value, np.ndarray):
            raise TypeError("a NumPy array is no array of this device")

        def assign(a: np.ndarray, k: Any, v: Any) -> None:
            a[k] = v

        self.device.call(assign, (self, key, value), {})

    def fill(self, value: Any) -> None:
        self[...] = value

    @property
    def T(self) -> Any:  # noqa: N802
        return self.device.call(np.transpose, (self,), {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not callable(getattr(np.ndarray, name, None)):
            raise AttributeError(name)

        def method(*arguments: Any, **named: Any) -> Any:
            def function(a: np.ndarray, *args: Any, **kw: Any) -> Any:
                return getattr(a, name)(*args, **kw)

            return self.device.call(function, (self, *arguments), named)

        return method


class Module:
    """The array module: NumPy's functions, on this device."""

    ndarray = StrictArray
    _takers = frozenset({"array", "asarray"})  # arrays of the host, too

    def __init__(self, device: Any) -> None:
        self._device = device

    def __getattr__(self, name: str) -> Any:
        thing = getattr(np, name)
        if not callable(thing) or isinstance(thing, type):
            return thing

        def function(*arguments: Any, **named: Any) -> Any:
            strange = any(isinstance(x, np.ndarray) for x in arguments)
            if strange and name not in self._takers:
                raise TypeError(f"{name}: a NumPy array is no array of this device")
            return self._device.call(thing, arguments, named)

        return function


def bare(value: Any) -> Any:
    if isinstance(value, StrictArray):
        return value.a
    if isinstance(value, (list, tuple)):
        parts = [bare(each) for each in value]
        if isinstance(value, list):
            return parts
        with contextlib.suppress(TypeError):
            return type(value)(parts)
        return type(value)(*parts)
    if isinstance(value, dict):
        return {key: bare(each) for key, each in value.items()}
    return value


def arrays_in(value: Any) -> Any:
    if isinstance(value, StrictArray):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from arrays_in(each)
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))
