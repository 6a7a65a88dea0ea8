"""All rows as JSON, with the versions that they were measured with."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from parity.case import Row

_PACKAGES = ("tinyconv", "numpy", "numba", "tensorflow-cpu", "tensorflow", "keras")


def write_json(path: Path, rows: Sequence[Row], seconds: float) -> None:
    """Infinite errors, which JSON has no number for, become null."""
    content = {
        "python": platform.python_version(),
        "versions": versions(),
        "seconds": round(seconds, 1),
        "passed": all(row.passed for row in rows),
        "rows": [_row(row) for row in rows],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Of what was compared, where it is installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _row(row: Row) -> dict[str, Any]:
    return {
        "family": row.case.family,
        "case": row.case.name,
        "backend": row.backend,
        "dtype": row.dtype,
        "errors": {k: None if math.isinf(e) else e for k, e in row.errors.items()},
        "tolerances": {name: row.tolerance(name) for name in row.errors},
        "passed": row.passed,
        "problem": row.problem,
        "note": row.case.note,
    }
