"""Python in processes of its own, so that what a campaign breaks is never the campaign."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 600.0  # seconds after which a program hangs


def environment(**changes: str | None) -> dict[str, str]:
    """That of this process, in which tinyconv can be imported; None takes a variable away."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    variables: dict[str, Any] = {**os.environ, "PYTHONPATH": path, **changes}
    return {name: value for name, value in variables.items() if value is not None}


def python(
    *arguments: Any,
    cwd: Path = ROOT,
    timeout: float = LIMIT,
    process: dict[str, Any] | None = None,
    **changes: str | None,
) -> subprocess.CompletedProcess[str]:
    """Run Python to its end; `process` goes to subprocess.run, `changes` to its environment."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd, env=environment(**changes), timeout=timeout, capture_output=True,
        encoding="utf-8", errors="replace", **(process or {}),
    )  # fmt: skip


def start(*arguments: Any, cwd: Path = ROOT, **changes: str | None) -> subprocess.Popen[str]:
    """Start Python, and go on."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=cwd, env=environment(**changes), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace",
    )  # fmt: skip


def printed(done: subprocess.CompletedProcess[str]) -> str:
    """What a program that ended well has printed."""
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def fresh_seed() -> int:
    """Another one every time; whoever uses it tells it in what fails."""
    return random.SystemRandom().randrange(10**6)
