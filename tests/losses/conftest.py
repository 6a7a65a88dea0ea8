"""Every test here runs on every backend."""

from tests.layers.conftest import backend

__all__ = ["backend"]
