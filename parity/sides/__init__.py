"""The two libraries, each behind the same handful of methods."""

from parity.sides.base import Side
from parity.sides.ours import Tinyconv
from parity.sides.theirs import Keras

__all__ = ["Keras", "Side", "Tinyconv"]
