"""Every test here may stand on another machine."""

from tests.cli.machines import cupy_backend, machine

__all__ = ["cupy_backend", "machine"]
