"""Settings for all tests."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# `make test` runs two processes: a thread that spins for work takes a core from the other one.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Compiled backends make the first example of a test slow, so no example has a deadline.
settings.register_profile(
    "default", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_configure(config):
    """Tests that do not ask for a GPU find none, whatever the machine has."""
    if config.option.markexpr == "not gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_finish(session):
    """`pytest -m gpu` without a GPU ends before the first test, with the reason."""
    gpu = any(item.get_closest_marker("gpu") for item in session.items)
    if not gpu or session.config.option.collectonly:
        return
    from tinyconv.backends.cuda.cupy_device import problem

    if (reason := problem()) is not None:
        raise pytest.UsageError(f"pytest -m gpu needs a GPU: {reason}; see `tinyconv doctor`")


@pytest.fixture(scope="session")
def tfds_folder(tmp_path_factory):
    """A folder for TFDS_DATA_DIR with a small cats_vs_dogs and a small fashion_mnist."""
    from tests.tfds_sets import write_cats_vs_dogs, write_fashion_mnist  # imports TensorFlow

    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    write_cats_vs_dogs(folder, 80)
    write_fashion_mnist(folder, 320, 64)
    return folder


@pytest.fixture
def keras_folder(tmp_path, monkeypatch):
    """KERAS_HOME, empty: a `KerasFolder` to put files in."""
    from tests.keras_folder import KerasFolder

    return KerasFolder(tmp_path / "keras", monkeypatch)


@pytest.fixture
def interruptible():
    """Ctrl-C does what it does on a terminal; a shell's background jobs are started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_terminal_summary(terminalreporter):
    """Which checks of the CUDA kernels this run was able to make.

    It stands here because pytest-xdist's workers collect the folder, and cannot print.
    """
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    if not any("tests/backends/cuda/" in getattr(report, "nodeid", "") for report in reports):
        return
    from tests.backends.cuda import compilers
    from tests.backends.cuda.host import compiler

    host, device = compiler(), compilers.compiler()
    ran = "ran as C++ by " + " ".join(host) if host else "did not run: there is no C++ compiler"
    built = (
        f"were compiled for {', '.join(compilers.ARCHITECTURES)} by {device[0]}"
        if device
        else "were compiled for no GPU: there is neither NVRTC nor nvcc"
    )
    terminalreporter.write_line(f"CUDA kernels {ran}, and {built}.")
    terminalreporter.write_line("Their results and timings on a GPU: pytest -m gpu")
