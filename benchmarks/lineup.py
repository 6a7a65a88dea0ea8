"""Who takes part: tinyconv on its backends, tf.keras, PyTorch where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from benchmarks.contender import Contender

OURS = ("numba", "numpy")
KERAS, TORCH = "tf.keras", "torch"
ALL = (*OURS, KERAS, TORCH)
USUAL = ("numba", KERAS, TORCH)  # plain NumPy is slow, and of another kind

# A processor without AVX-512; with its name alone, Numba would compile plain loops for what
# this one has.
AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}

Settings = Mapping[str, Mapping[str, dict[str, Any]]]


def present(names: Sequence[str]) -> list[str]:
    """Those that are installed; what is missing is told once."""
    needs = {KERAS: "tensorflow", TORCH: "torch"}
    found = [name for name in names if name not in needs or find_spec(needs[name])]
    for name in names:
        if name not in found:
            extra = 'pip install "tinyconv[benchmarks]"'
            print(f"without {name}, which is not installed ({extra})", file=sys.stderr)
    return found


def line_up(
    names: Sequence[str],
    keras: str,
    torch: str,
    options: dict[str, Any],
    settings: Settings | None = None,
) -> list[Contender]:
    """Contenders for one piece of work.

    Args:
        names: of `ALL`.
        keras: factory for all that speak Keras; it gets `library`, "tinyconv" or "keras", too.
        torch: factory for PyTorch.
        options: for both.
        settings: of each name, see `Contender`.
    """
    known = settings or {}
    contenders = []
    for name in names:
        own = dict(known.get("tinyconv" if name in OURS else name, {}))
        if name in OURS:
            contenders.append(ours(name, keras, options, own))
        elif name == KERAS:
            contenders.append(
                Contender(
                    KERAS, keras, {**options, "library": "keras"}, own, ("keras",),
                    {"KERAS_BACKEND": "tensorflow"}, peer=True,
                )
            )  # fmt: skip
        else:
            contenders.append(Contender("PyTorch", torch, options, own, ("torch",), peer=True))
    return contenders


def ours(
    backend: str,
    factory: str,
    options: dict[str, Any],
    settings: dict[str, dict[str, Any]] | None = None,
    environment: Mapping[str, str] | None = None,
    note: str = "",
) -> Contender:
    """tinyconv on one of its backends; a note behind its name says what else is special."""
    return Contender(
        f"tinyconv ({backend}{note})",
        factory,
        {**options, "library": "tinyconv"},
        settings or {},
        ("tinyconv", f"tinyconv.backends.{backend}"),
        {"TINYCONV_BACKEND": backend, **(environment or {})},
    )
