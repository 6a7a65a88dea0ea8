"""The data sets under the name that Keras gives them: `tinyconv.datasets.fashion_mnist`."""

from tinyconv.data import cats_vs_dogs, digits, fashion_mnist, mnist

__all__ = ["cats_vs_dogs", "digits", "fashion_mnist", "mnist"]
