"""The page in a browser: all pictures are there, no script fails, a phone is wide enough."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from tests.explain.browser import look


@pytest.mark.parametrize("width", [360, 1280])
def test_everything_is_there(residual_page: Path, width: int, tmp_path: Path) -> None:
    told = look(residual_page, width, tmp_path)
    assert told["heard"] == []
    assert told["images"] == residual_page.read_text(encoding="utf-8").count("<img ")
    assert told["images"] > 40
    assert told["missing"] == []
    assert told["hidden"] == []
    assert told["width"] == width
    assert told["closed"] == told["opened"] == width
    assert told["small"] == 0


def test_a_page_that_is_broken_is_noticed(residual_page: Path, tmp_path: Path) -> None:
    text = residual_page.read_text(encoding="utf-8")
    broken = text.replace(
        '<img src="data:image/png;base64,i', '<img src="data:image/png;base64,_', 1
    )
    assert broken != text
    broken = broken.replace("openTarget();", "openNothing();").replace(
        "<h1>", '<img src="https://example.com/a.png" alt="far away"><h1 style="width:500px">'
    )
    (tmp_path / "broken.html").write_text(broken, encoding="utf-8")
    told = look(tmp_path / "broken.html", 360, tmp_path)
    assert any("openNothing" in each for each in told["heard"])
    assert any("blocked" in each for each in told["heard"])
    assert {"the image", "far away"} <= set(told["missing"])
    assert told["closed"] > 360
