"""Running some tests in a process that was forked after the slow imports, within limits.

A mutant's tests take a fraction of a second; starting Python, NumPy, Numba and pytest for each
would take most of the time. So those are imported once, here, and tinyconv never: each child
imports it, and the tests, from a copy of the tree as it is at that moment.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numba  # noqa: F401  (imported here so that no child has to)
import numpy  # noqa: F401
import pytest

OUTCOMES = {0: "passed", 1: "failed", 2: "error", 3: "error", 4: "error"}  # pytest's codes
LOST = 70  # no result of a test: the driver is at fault
MEMORY = 24 << 30  # bytes of addresses: a mutant may ask for any array


def in_child(work: Callable[[], int], root: Path, log: Path, seconds: int) -> str:
    """Call `work` in a child that stands in `root`, and imports from there.

    Returns "passed" or "failed" as `work` says, "error" if the tests can't be imported, "died"
    by a signal, or "timeout" after seconds, those of a CPU: a busy machine makes no difference.

    Raises:
        RuntimeError: if there was no test to run.
    """
    child = os.fork()
    if child == 0:
        _limited(work, root, log, seconds)
    deadline = time.monotonic() + 20 * seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "timeout"
        time.sleep(0.02)
    _end_group(child)
    if os.WIFSIGNALED(status):
        return "timeout" if os.WTERMSIG(status) == signal.SIGXCPU else "died"
    if (code := os.WEXITSTATUS(status)) not in OUTCOMES:
        raise RuntimeError(f"status {code}:\n{log.read_text()[-3000:]}")
    return OUTCOMES[code]


def _limited(work: Callable[[], int], root: Path, log: Path, seconds: int) -> None:
    """The child; does not return."""
    code = LOST
    try:
        os.setsid()
        out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.chdir(root)
        os.environ["PYTHONPATH"] = str(root)
        sys.path.insert(0, str(root))
        for name in [each for each in sys.modules if each.partition(".")[0] == "tests"]:
            del sys.modules[name]  # those of the campaign
        code = work()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _end_group(leader: int) -> None:
    """Processes that the tests started and that a mutant left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def run_tests(tests: Sequence[str], plugins: Sequence[Any] = ()) -> int:
    """pytest's exit status; the first failure ends it, and is not made smaller."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=line"]
    return int(pytest.main([*options, *tests], plugins=[Profile(), *plugins]))


class Profile:
    """Hypothesis draws the same examples in every run, and ends with the first that fails."""

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        default = hypothesis.settings.get_profile("default")
        hypothesis.settings.register_profile(
            "mutants", default, derandomize=True, database=None, phases=phases
        )
        hypothesis.settings.load_profile("mutants")


class Recorder:
    """Which lines each test runs, and how long it takes; needs coverage.

    Args:
        folder: only files below it are of interest.
    """

    def __init__(self, folder: Path) -> None:
        import coverage

        self._folder = folder
        self._coverage = coverage.Coverage(data_file=None, config_file=False, source=[str(folder)])
        self.seconds: Counter[str] = Counter()
        self._coverage.start()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        self._coverage.switch_context(item.nodeid)
        started = time.process_time()
        yield
        self.seconds[item.nodeid] += time.process_time() - started
        self._coverage.switch_context("")

    def result(self) -> dict[str, dict[int, list[str]]]:
        """By file, below the folder, and line: the tests that ran it."""
        self._coverage.stop()
        data = self._coverage.get_data()
        found = {}
        for name in data.measured_files():
            lines = {
                line: sorted(filter(None, contexts))
                for line, contexts in data.contexts_by_lineno(name).items()
            }
            found[Path(name).relative_to(self._folder).as_posix()] = lines
        return found
