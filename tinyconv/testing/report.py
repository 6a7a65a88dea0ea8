"""What a gradient check tells."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """The check of one array: the input, or one parameter.

    Attributes:
        name: "x" ("x[0]", "x[1]", ... of several inputs), or the parameter's key; in a model
            its path.
        analytic, numeric: the two directional derivatives.
        error: their difference over the larger of them.
        passed: whether the error is within the tolerance.
    """

    name: str
    analytic: float
    numeric: float
    error: float
    passed: bool


class GradientReport(NamedTuple):
    """All rows of a check; prints as a table."""

    subject: str
    tolerance: float
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether every row passed."""
        return all(row.passed for row in self.rows)

    def __str__(self) -> str:
        lines = [f"{self.subject}: gradients {'agree' if self.passed else 'DIFFER'}"]
        width = max([12, *(len(row.name) for row in self.rows)]) + 2
        titles = f"{'analytic':>16}{'numeric':>16}{'relative error':>16}  verdict"
        lines.append(f"{'':{width}}{titles}")
        for name, analytic, numeric, error, passed in self.rows:
            verdict = "ok" if passed else f"WRONG, more than {self.tolerance:g}"
            numbers = f"{analytic:16.8g}{numeric:16.8g}{error:16.2e}"
            lines.append(f"{name:{width}}{numbers}  {verdict}")
        return "\n".join(lines)
