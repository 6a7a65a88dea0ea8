"""One page that explains one prediction: `report` writes it, `image_for` reads its image."""

from tinyconv.explain.report.prepare import image_for
from tinyconv.explain.report.writing import report

__all__ = ["image_for", "report"]
