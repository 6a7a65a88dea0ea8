"""The checks of `tinyconv doctor`: each a function that finds something out and never raises.

A check that fails is a finding like any other, with what went wrong in the words of whoever
raised it, and with what to install. Nothing is imported here that may be missing.
"""

from __future__ import annotations

import importlib
import platform
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from tinyconv.cli import cuda_driver

GOOD, MISSING, BROKEN = "good", "missing", "broken"
BACKENDS = ("numpy", "numba", "cupy")
_GIB = 2**30


class Finding(NamedTuple):
    """One line of the table.

    Attributes:
        section, what, found: to be read.
        state: GOOD, MISSING or BROKEN.
        advice: what to do, where there is something to do.
        backend: the backend that works only if this is good.
    """

    section: str
    what: str
    found: str
    state: str = GOOD
    advice: str = ""
    backend: str = ""


def examine() -> list[Finding]:
    """All findings, in the order in which they are shown."""
    driver = cuda_driver.look()
    return [
        *_guarded("Python", python),
        *_guarded("CPU", cpu),
        *_guarded("GPU", lambda: gpu(driver)),
    ]


def _guarded(section: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # whatever a broken installation raises
        return [Finding(section, "check", _words(error), BROKEN)]


def _words(error: BaseException) -> str:
    """The first line of what an exception says, and which it is."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def version(package: str) -> str | None:
    """The version that is installed, found without importing the package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


# ---- Python -------------------------------------------------------------------


def python() -> list[Finding]:
    """Python, the system, and the packages that tinyconv needs."""
    import tinyconv

    section = "Python"
    found = [
        Finding(section, "Python", f"{platform.python_version()}, {platform.platform()}"),
        Finding(section, "tinyconv", tinyconv.__version__),
        Finding(section, "NumPy", np.__version__),
    ]
    seconds, error = try_backend("numpy")
    found.append(_ran(section, "numpy", seconds, error, 'pip install --force-reinstall "numpy"'))
    return found


# ---- CPU ----------------------------------------------------------------------


def cpu() -> list[Finding]:
    """Numba: its version, a kernel, and what the kernel ran on."""
    section, repair = "CPU", "pip install --force-reinstall numba"
    try:
        numba = importlib.import_module("numba")
    except ImportError as error:
        words = f"not installed ({_words(error)})"
        return [Finding(section, "Numba", words, MISSING, "pip install numba", "numba")]
    except Exception as error:  # a NumPy that this Numba does not know, say
        return [Finding(section, "Numba", _words(error), BROKEN, repair, "numba")]
    llvmlite = version("llvmlite")
    found = [Finding(section, "Numba", f"{numba.__version__}, llvmlite {llvmlite}")]
    seconds, failure = try_backend("numba")
    found.append(_ran(section, "numba", seconds, failure, repair))
    if failure is None:  # only now has Numba chosen its threads
        found += [
            _asked(section, "vectors", _vectors),
            _asked(section, "threads", lambda: _threads(numba)),
        ]
    return found


def _vectors() -> str:
    from tinyconv.backends.numba.cpu import vector

    registers = vector()
    return f"{registers.name}, {8 * registers.bytes} bits"


def _threads(numba: Any) -> str:
    import tinyconv

    return f"{tinyconv.get_num_threads()}, by {numba.threading_layer()}"


def _asked(section: str, what: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(section, what, ask())
    except Exception as error:
        return Finding(section, what, _words(error), BROKEN)


# ---- GPU ----------------------------------------------------------------------


def gpu(driver: cuda_driver.Driver) -> list[Finding]:
    """The driver, CuPy with its CUDA, the cards, and a kernel; then Numba's CUDA."""
    section = "GPU"
    found = [_driver(section, driver)]
    several = sorted({d.metadata["Name"] for d in metadata.distributions() if _is_cupy(d)})
    if len(several) > 1:
        names = ", ".join(several)
        advice = f"Two CuPys write over one another: pip uninstall {' '.join(several)}, then "
        advice += cuda_driver.install_cupy(driver)
        found.append(Finding(section, "CuPy", f"{names} are installed", BROKEN, advice, "cupy"))
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        if several:
            advice = f"pip install --force-reinstall {several[0]}"
            found.append(Finding(section, "CuPy", _words(error), BROKEN, advice, "cupy"))
        else:
            advice = cuda_driver.install_cupy(driver)
            found.append(Finding(section, "CuPy", "not installed", MISSING, advice, "cupy"))
        return [*found, *_numba_cuda(section, driver)]
    except Exception as error:
        advice = "Reinstall CuPy: " + cuda_driver.install_cupy(driver)
        found.append(Finding(section, "CuPy", _words(error), BROKEN, advice, "cupy"))
        return [*found, *_numba_cuda(section, driver)]
    found += _cupy(section, cupy, driver)
    return [*found, *_numba_cuda(section, driver)]


def _is_cupy(distribution: metadata.Distribution) -> bool:
    name = distribution.metadata["Name"] or ""
    return name == "cupy" or name.startswith(("cupy-cuda", "cupy-rocm"))


def _driver(section: str, driver: cuda_driver.Driver) -> Finding:
    if driver.cards:
        cards = "; ".join(driver.cards)
        return Finding(section, "driver", f"for CUDA {driver.version_text} and older: {cards}")
    advice = "" if not driver.found else cuda_driver.NO_CARD
    return Finding(section, "driver", driver.problem, MISSING, advice)


def _cupy(section: str, cupy: Any, driver: cuda_driver.Driver) -> list[Finding]:
    found = []
    try:
        runtime = cupy.cuda.runtime.runtimeGetVersion()
        words = f"{cupy.__version__}, CUDA runtime {cuda_driver.version_text(runtime)}"
        found.append(Finding(section, "CuPy", words))
    except Exception as error:
        advice = cuda_driver.advice(driver, error)
        return [Finding(section, "CuPy", _words(error), BROKEN, advice, "cupy")]
    try:
        for number in range(cupy.cuda.runtime.getDeviceCount()):
            found.append(_card(section, cupy, number))
    except Exception as error:
        state = BROKEN if driver.cards else MISSING
        advice = cuda_driver.advice(driver, error)
        return [*found, Finding(section, "card", _words(error), state, advice, "cupy")]
    seconds, failure = try_backend("cupy")
    advice = "" if failure is None else cuda_driver.advice(driver, failure)
    return [*found, _ran(section, "cupy", seconds, failure, advice)]


def _card(section: str, cupy: Any, number: int) -> Finding:
    properties = cupy.cuda.runtime.getDeviceProperties(number)
    name = properties["name"]
    name = name.decode() if isinstance(name, bytes) else name
    with cupy.cuda.Device(number):
        free, total = cupy.cuda.runtime.memGetInfo()
    found = (
        f"{name}, compute capability {properties['major']}.{properties['minor']}, "
        f"{properties['multiProcessorCount']} multiprocessors, "
        f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    )
    return Finding(section, f"card {number}", found)


def _numba_cuda(section: str, driver: cuda_driver.Driver) -> list[Finding]:
    """Numba CUDA: for the kernels that a learner reads; nothing else needs it."""
    what, number = "Numba CUDA", version("numba-cuda")
    if number is None:
        advice = (
            'For the kernels in Numba CUDA: pip install "tinyconv[gpu]"' if driver.cards else ""
        )
        return [Finding(section, what, "not installed", MISSING, advice)]
    if not driver.cards:
        return [Finding(section, what, f"{number}, not tried without a card", MISSING)]
    began = time.perf_counter()
    try:
        _add_with_numba_cuda()
    except Exception as error:
        advice = "pip install --force-reinstall numba-cuda"
        return [Finding(section, what, f"{number}: {_words(error)}", BROKEN, advice)]
    seconds = time.perf_counter() - began
    return [Finding(section, what, f"{number}: a kernel ran in {seconds:.1f} s")]


def _add_with_numba_cuda() -> None:
    """y += 1 on the card; RuntimeError for another result."""
    from numba import cuda

    def increment(y: Any) -> None:
        i: Any = cuda.grid(1)  # type: ignore[call-arg]
        if i < y.size:
            y[i] += 1

    kernel: Any = cuda.jit(increment)
    y = cuda.to_device(np.arange(100, dtype="float32"))
    kernel[1, 128](y)
    if not np.array_equal(y.copy_to_host(), np.arange(1, 101)):
        raise RuntimeError("the kernel ran, but its result is wrong")


# ---- a kernel of each backend ----------------------------------------------------


def try_backend(name: str) -> tuple[float, BaseException | None]:
    """Seconds that a product, a sum and a max-pooling took, and what went wrong.

    All are compared with plain NumPy, as loops that no backend has a part in. The sum is the
    array module's own: CuPy compiles such kernels in another way than ours.
    """
    began = time.perf_counter()
    try:
        from tinyconv import backends
        from tinyconv.geometry import slide

        backend = backends.load(name)
        x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
        window = slide((4, 4), (2, 2), (2, 2), "valid")
        y, _ = backend.max_pool(backend.asarray(x), window)
        rows = x.reshape(-1, 3)
        there = backend.asarray(rows)
        product, twice = backend.matmul(there, backend.asarray(rows[:3])), there + there
        largest = x.reshape(2, 2, 2, 2, 2, 3).max(axis=(2, 4))
        if not np.array_equal(backend.to_numpy(y), largest):
            raise RuntimeError("a max-pooling ran, but its result is wrong")
        if not np.array_equal(backend.to_numpy(twice), rows + rows):
            raise RuntimeError("a sum of arrays ran, but its result is wrong")
        if not np.allclose(backend.to_numpy(product), rows @ rows[:3], rtol=1e-4, atol=1e-4):
            raise RuntimeError("a matrix product ran, but its result is wrong")
    except Exception as error:
        return time.perf_counter() - began, error
    return time.perf_counter() - began, None


def _ran(
    section: str, backend: str, seconds: float, error: BaseException | None, advice: str
) -> Finding:
    what = f"backend {backend!r}"
    if error is not None:
        return Finding(section, what, _words(error), BROKEN, advice, backend)
    found = f"a kernel and a matrix product ran in {seconds:.1f} s, with the right result"
    return Finding(section, what, found, backend=backend)
