"""Data sets that load themselves: `from tinyconv.data import fashion_mnist`."""

from tinyconv.data import digits, fashion_mnist, mnist

__all__ = ["digits", "fashion_mnist", "mnist"]
