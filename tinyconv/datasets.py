"""The data sets under the name that Keras gives them: `tinyconv.datasets.fashion_mnist`."""

from tinyconv.data import digits, fashion_mnist, mnist

__all__ = ["digits", "fashion_mnist", "mnist"]
