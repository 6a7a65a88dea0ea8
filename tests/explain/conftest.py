"""What tests of pictures share."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def residual_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `tests.explain.reports.residual` about noise; one class is called <dog>."""
    from tests.explain.reports import residual
    from tinyconv.explain import report

    path = tmp_path_factory.mktemp("residual") / "page.html"
    x = np.random.default_rng(5).random((2, 12, 12, 3))
    return report(residual(), x, path, class_names=["cat", "<dog>"])


@pytest.fixture
def no_graphviz(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests are the same where Graphviz is installed; files go to a folder of their own."""
    (tmp_path / "programs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    monkeypatch.chdir(tmp_path)
