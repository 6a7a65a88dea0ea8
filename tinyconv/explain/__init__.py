"""Pictures of what a network has learnt, and tables of how it computes.

A function that draws returns a matplotlib Figure: `figure.savefig("picture.png")` writes
it to a file, and a notebook shows it by itself once `%matplotlib inline` is on.
matplotlib's pyplot is never touched.
"""

from tinyconv.explain.algorithms import Algorithms, algorithms
from tinyconv.explain.confusion import confusion, confusion_matrix
from tinyconv.explain.curves import training_curves
from tinyconv.explain.model_plot import plot_model
from tinyconv.explain.predictions import predictions

__all__ = [
    "Algorithms", "algorithms", "confusion", "confusion_matrix", "plot_model", "predictions",
    "training_curves",
]  # fmt: skip
