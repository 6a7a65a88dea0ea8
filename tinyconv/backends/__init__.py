"""Which backend computes: `use_backend`, `get_backend`, `available_backends`.

Backends are loaded when they are first used, so `import tinyconv` never imports
numba or cupy.
"""

from __future__ import annotations

import importlib
import os
from importlib.util import find_spec
from types import TracebackType

from tinyconv.backends.base import Backend

_CLASSES = {
    "numpy": ("tinyconv.backends.numpy", "NumpyBackend"),
    "numba": ("tinyconv.backends.numba", "NumbaBackend"),
    "cupy": ("tinyconv.backends.cuda", "CudaBackend"),
}
_WITH_ALGORITHMS = ("numba", "cupy")
_DEFAULT = os.environ.get("TINYCONV_BACKEND", "numba")

_loaded: dict[tuple[str, str | None, bool], Backend] = {}
_current: Backend | None = None


def get_backend() -> Backend:
    """The backend in use; the first call loads the default (numba, or TINYCONV_BACKEND)."""
    global _current
    if _current is None:
        _current = load(_DEFAULT)
    return _current


def available_backends() -> list[str]:
    """Names of the backends that run here: "cupy" only where a GPU runs a kernel.

    The first call tries that, unless CuPy is not installed.
    """
    names = list(_CLASSES)
    if find_spec("cupy") is None or not _gpu_runs():
        names.remove("cupy")
    return names


def _gpu_runs() -> bool:
    from tinyconv.backends.cuda import cupy_device

    return cupy_device.usable()


def load(name: str, conv: str | None = None, tf32: bool = False) -> Backend:
    """The backend of that name, without making it the current one.

    Raises:
        ValueError: for an unknown name, or a `conv` or `tf32` that the backend does not know.
        RuntimeError: for "cupy" where no GPU runs a kernel, with what is missing.
    """
    if name not in _CLASSES:
        raise ValueError(f"backend must be one of {list(_CLASSES)}. Received: {name!r}")
    if conv is not None and name not in _WITH_ALGORITHMS:
        raise ValueError(
            f"conv: only the backends {list(_WITH_ALGORITHMS)} have several algorithms, "
            f"not {name!r}"
        )
    if tf32 and name != "cupy":
        raise ValueError(f"tf32: only the backend 'cupy' computes in TF32, not {name!r}")
    key = name, conv, bool(tf32)
    if key not in _loaded:
        module, cls = _CLASSES[name]
        asked = {k: v for k, v in {"conv": conv, "tf32": tf32}.items() if v not in (None, False)}
        _loaded[key] = getattr(importlib.import_module(module), cls)(**asked)
    return _loaded[key]


class use_backend:  # noqa: N801  (reads as a function, works as a context manager)
    """Compute with another backend from now on, or inside a `with` block.

    It holds for the whole process, all its threads included.

    Args:
        name: "numpy" (the textbook), "numba" (fast; the default) or "cupy" (on a GPU).
        conv: with "numba" or "cupy", the algorithm of every convolution that it can do ("im2col",
            "implicit_gemm", "direct", "pointwise", "winograd_2x2" or "winograd_4x4"); by
            default each gets the one that suits it.
        tf32: with "cupy", whether products of float32 may round their factors to 10 bits of
            mantissa, which is several times faster on the GPUs that have TF32.

    Raises:
        ValueError: for an unknown name or algorithm, or `tf32` with another backend.
        RuntimeError: for "cupy" where no GPU runs a kernel, with what is missing.

    Example:
        >>> tinyconv.use_backend("numpy")          # from now on
        >>> with tinyconv.use_backend("numba"):    # only here
        ...     model.predict(x)
    """

    def __init__(self, name: str, conv: str | None = None, tf32: bool = False) -> None:
        global _current
        self._backend = load(name, conv, tf32)
        self._previous, _current = _current, self._backend

    def __enter__(self) -> Backend:
        global _current
        _current = self._backend  # another may have been chosen since
        return self._backend

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _current
        _current = self._previous
