"""A page in headless Chromium: what is loaded, what goes wrong, how wide it is."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

# Before everything else in the page: errors are heard from the first line on.
_EARS = """<script>
const heard = [];
addEventListener("error", (e) => heard.push(e.message || e.target.outerHTML.slice(0, 80)), true);
addEventListener("unhandledrejection", (e) => heard.push(String(e.reason)));
addEventListener("securitypolicyviolation", (e) => heard.push("blocked: " + e.blockedURI));
addEventListener("load", () => setTimeout(() => {
  const closed = document.documentElement.scrollWidth;
  for (const each of document.querySelectorAll("details")) each.open = true;
  const images = [...document.images];
  parent.postMessage({
    heard, closed, opened: document.documentElement.scrollWidth,
    width: document.documentElement.clientWidth, images: images.length,
    missing: images.filter((each) => !each.complete || !each.naturalWidth).map((each) => each.alt),
    hidden: images.filter((each) => each.getBoundingClientRect().width < 1).map((e) => e.alt),
    small: [...document.querySelectorAll("main summary")]
      .filter((each) => each.getBoundingClientRect().height < 40).length,
  }, "*");
}, 200));
</script>"""
_FRAME = """<!DOCTYPE html>
<iframe src="page.html" width="{}" height="800" style="border:0"></iframe>
<pre></pre><script>addEventListener("message",
(e) => document.querySelector("pre").textContent = JSON.stringify(e.data))</script>"""


def look(page: Path, width: int, folder: Path) -> dict[str, Any]:
    """Open a page in a window of this width, and open all that can be opened in it.

    Returns:
        `heard`: errors; `images`: their number; `missing`, `hidden`: what images that are
        not loaded or not shown are said to be; `closed`, `opened`: pixels that the page needs
        from left to right, of `width` that there are; `small`: what is hard to tap.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed: no browser looked at the page")
    text = page.read_text(encoding="utf-8")
    (folder / "page.html").write_text(text.replace("<head>", f"<head>{_EARS}"), encoding="utf-8")
    (folder / "frame.html").write_text(_FRAME.format(width), encoding="utf-8")
    command = [
        program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=20000", "--window-size=1600,900", "--dump-dom",
        (folder / "frame.html").as_uri(),
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    found = re.search(r"<pre>(.+?)</pre>", run.stdout, re.S)
    assert found, f"the page did not load: {run.stdout[:500]} {run.stderr[-500:]}"
    told: dict[str, Any] = json.loads(html.unescape(found[1]))
    told["heard"] += said
    return told
