"""Data sets that load themselves: `from tinyconv.data import fashion_mnist`."""

from tinyconv.data import cats_vs_dogs, digits, fashion_mnist, mnist

__all__ = ["cats_vs_dogs", "digits", "fashion_mnist", "mnist"]
