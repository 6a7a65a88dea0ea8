"""mkdocs.yml: the site is built without a warning, and the reference has what is public."""

import re
import subprocess
import sys

import pytest

import tinyconv
from tests.docs import pages


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built strictly."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=pages.ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_there(site):
    for page in pages.DOCS.rglob("*.md"):
        place = page.relative_to(pages.DOCS).with_suffix("")
        folder = place.parent if place.name in ("index", "README") else place
        assert (site / folder / "index.html").is_file(), page


@pytest.mark.parametrize("module", ["layers", "losses", "optimizers", "callbacks", "explain"])
def test_the_reference_has_every_public_name(site, module):
    html = (site / "reference" / module / "index.html").read_text(encoding="utf-8")
    shown = set(re.findall(rf'id="tinyconv\.{module}\.(?:\w+\.)*(\w+)"', html))
    public = getattr(tinyconv, module)
    aliases = {name for name in public.__all__ if name != getattr(public, name).__name__}
    assert set(public.__all__) - aliases <= shown


def test_no_page_asks_another_server(site):
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        asked = re.findall(r"<(?:script|img|iframe)[^>]* src=\"(https?:[^\"]+)", html)
        asked += re.findall(r"<link[^>]* rel=\"stylesheet\"[^>]* href=\"(https?:[^\"]+)", html)
        assert asked == [], page
