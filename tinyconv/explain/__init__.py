"""Pictures of what a network has learnt. Each function returns a matplotlib Figure.

`figure.savefig("picture.png")` writes it to a file; a notebook shows it by itself
once `%matplotlib inline` is on. matplotlib's pyplot is never touched.
"""

from tinyconv.explain.confusion import confusion, confusion_matrix
from tinyconv.explain.curves import training_curves
from tinyconv.explain.model_plot import plot_model
from tinyconv.explain.predictions import predictions

__all__ = ["confusion", "confusion_matrix", "plot_model", "predictions", "training_curves"]
