"""Compiled kernels on disk, found again only while all that they were built from is the same.

Numba has a cache of its own (`cache=True`), which looks at one file only: the one that
the kernel stands in. But a kernel has what it calls and the constants that it uses built
in: with that cache, a change of the micro-kernel leaves every kernel around it as it was.

Here one file holds one kernel for one combination of argument types,

    <where>/<module>.<kernel>-<hash of the key>.kernel
    where = $NUMBA_CACHE_DIR/tinyconv-<hash of the package's folder>, if that is set,
            else __pycache__ beside this file,
            else, if that cannot be written to, the user's cache folder
    key   = sources: the kernel's file and those that it imports from this backend, and
            theirs, ...; versions; argument types, options, CPU, vector registers, and
            the numbers that the function has closed over

so that what was built from other sources simply is not found, and is removed some day:
FILES stay, those used last. A kernel may use nothing from outside of this backend, for
its key would not know.

A file begins with a checksum and appears under its name when it is complete. So processes
may write the same kernel at the same time, and a damaged one is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from tinyconv.backends.numba import linking
from tinyconv.backends.numba.cpu import vector

PACKAGE = Path(__file__).parent
FILES = 2000
VERSIONS = (sys.implementation.cache_tag, numba.__version__, llvmlite.__version__)


class KernelCache(NullCache):
    """The kernels compiled from one function; what Numba's dispatcher asks before it compiles."""

    def __init__(self, function: Callable[..., Any], options: str) -> None:
        closed_over = [cell.cell_contents for cell in function.__closure__ or ()]
        if not all(isinstance(value, (int, float, str)) for value in closed_over):
            raise TypeError(f"{function.__qualname__} may close over numbers and text only")
        where = str(function.__module__).removeprefix("tinyconv.backends.numba.")
        self.identity = f"{where}.{function.__qualname__} {options} {closed_over}"
        # Read now: what is imported is what stands in the files now, maybe not later.
        file = function.__code__.co_filename
        self._sources = sources(file)
        self._enabled = self._sources[file] != ""

    @property
    def cache_path(self) -> str:
        return str(folder())

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The kernel for arguments of these types, or None."""
        target_context.refresh()
        if not self._enabled:
            return None
        content = _find(self._path(signature, target_context.codegen()).name)
        if content is None:
            return None
        checksum, data = content[:32], content[32:]
        if hashlib.sha256(data).digest() != checksum:
            return None
        called, parts = pickle.loads(data)
        if not linking.load(called, target_context):
            return None
        return CompileResult._rebuild(target_context, *parts)

    def save_overload(self, signature: Any, kernel: Any) -> None:
        """Keep the kernel; where that is not possible, the next process compiles it again."""
        if not self._enabled:
            return
        if kernel.library.has_dynamic_globals:
            warnings.warn(f"{self.identity} has addresses built in, is not kept", stacklevel=2)
            return
        if any(_digest(_content(path)) != digest for path, digest in self._sources.items()):
            return  # edited since it was imported
        data = dumps((linking.calls(kernel.library._final_module), kernel._reduce()))
        try:
            _write(self._path(signature, kernel.codegen), hashlib.sha256(data).digest() + data)
        except OSError:
            return
        _remove_old(folder())

    def _path(self, signature: Any, codegen: Any) -> Path:
        return folder() / f"{self.name(signature, codegen)}.kernel"

    def name(self, signature: Any, codegen: Any) -> str:
        """What this kernel for arguments of these types is called, on disk and by LLVM."""
        switches = (numba.config.OPT, numba.config.BOUNDSCHECK)  # type: ignore[attr-defined]
        machine = (VERSIONS, codegen.magic_tuple(), vector(), switches)
        code = (list(self._sources.values()), self.identity, str(signature))
        key = hashlib.sha256(repr((machine, code)).encode()).hexdigest()[:24]
        readable, _, _ = re.sub(r"[^\w ]+", ".", self.identity).partition(" ")
        return f"{readable}-{key}"


# ---- sources ------------------------------------------------------------------

_IMPORT = re.compile(
    r"^[ \t]*from tinyconv\.backends\.numba([.\w]*) import (\([^)]*\)|.*)", re.MULTILINE
)
_NAME = re.compile(r"(\w+)(?: as \w+)?|#.*")


def sources(path: str) -> dict[str, str]:
    """The file and all of this backend's that it imports, also indirectly; and their digests."""
    found: dict[str, str] = {}
    waiting = [path]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path], imported = _read(path, *_state(path))
            waiting += imported
    return dict(sorted(found.items()))


def _state(path: str) -> tuple[int, int]:
    """Time and size of a file: other ones after an edit, for a module that is imported again."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@cache
def _read(path: str, time: int = 0, size: int = 0) -> tuple[str, list[str]]:
    """The digest of a source, and the files of this backend that it imports."""
    content = _content(path)
    imported = []
    for module, names in _IMPORT.findall(content.decode()):
        base = os.path.join(PACKAGE, *filter(None, module.split(".")))
        if os.path.isdir(base):
            for name in filter(None, _NAME.findall(names)):
                inside = [f"{base}/{name}.py", f"{base}/{name}/__init__.py", f"{base}/__init__.py"]
                imported.append(next(filter(os.path.exists, inside)))
        else:
            imported.append(f"{base}.py")
    return _digest(content), imported


def _content(path: str) -> bytes:
    """Empty if there is no such file: code that was typed in, or a ZIP archive."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else ""


# ---- files --------------------------------------------------------------------


@cache
def folder() -> Path:
    """Where the kernels are kept: the first place that can be written to."""
    for path in _places():
        try:
            path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()
        except OSError:
            continue
        return path
    return Path(os.devnull)  # nothing can be read or written there


def _places() -> Iterator[Path]:
    own = f"tinyconv-{hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:24]}"
    asked: str = getattr(numba.config, "CACHE_DIR", "")
    if asked:
        yield Path(asked) / own
        return
    yield PACKAGE / "__pycache__"
    windows = sys.platform == "win32"
    user = os.environ.get("LOCALAPPDATA" if windows else "XDG_CACHE_HOME")
    with suppress(RuntimeError):  # nobody knows a home of this user's
        yield Path(user or Path.home() / ("AppData/Local" if windows else ".cache")) / own


def _find(name: str) -> bytes | None:
    """From the first place that has it, also from one that can only be read."""
    for place in dict.fromkeys((folder(), *_places())):
        try:
            content = (place / name).read_bytes()
        except OSError:
            continue
        with suppress(OSError):  # somebody else's
            os.utime(place / name)
        return content
    return None


def _write(path: Path, content: bytes) -> None:
    """The whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # others may use it: an image that one user has warmed up
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


@cache
def _remove_old(where: Path) -> None:
    """Once a process: the files that were not used for longest, where there are too many."""
    kernels = sorted(where.glob("*.kernel"), key=_last_use, reverse=True)
    yesterday = time.time() - 24 * 3600
    unfinished = [path for path in where.glob("*.new") if _last_use(path) < yesterday]
    for path in kernels[FILES:] + unfinished:
        with suppress(OSError):  # a folder shared by several users
            path.unlink()


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process has removed it
        return 0.0
