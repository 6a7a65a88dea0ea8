"""fetch: mirrors that work, break, lie and hang; files that are never half there."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.data.web import WebServer, breaks_off, falls_silent, hangs, missing, sends
from tinyconv.data import download
from tinyconv.data.cache import CorruptFileError
from tinyconv.data.download import DownloadError, fetch

CONTENT = bytes(range(256)) * 400
CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "weights.bin"


def assert_nothing_left(path: Path) -> None:
    assert not path.parent.exists() or list(path.parent.iterdir()) == []


def test_downloads_once(web: WebServer, path: Path) -> None:
    url = web.url("/weights", sends(CONTENT))
    assert fetch([url], path, CHECKSUM) == path
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == [path.name]
    before = len(web.requests)
    fetch([url], path, CHECKSUM)
    assert len(web.requests) == before


def test_shows_a_progress_bar(
    web: WebServer, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch([web.url("/weights", sends(CONTENT))], path, CHECKSUM)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Downloading" in captured.err
    assert path.name in captured.err


def test_second_mirror_takes_over(web: WebServer, path: Path, closed_port: int) -> None:
    urls = [
        web.url("/gone", missing),
        f"http://127.0.0.1:{closed_port}/",
        web.url("/here", sends(CONTENT)),
    ]
    assert fetch(urls, path, CHECKSUM).read_bytes() == CONTENT


def test_all_reasons_are_told(web: WebServer, path: Path, closed_port: int) -> None:
    closed = f"http://127.0.0.1:{closed_port}/"
    gone, wrong = web.url("/gone", missing), web.url("/wrong", sends(b"<html>Sign in</html>"))
    with pytest.raises(DownloadError) as caught:
        fetch([gone, closed, wrong], path, CHECKSUM)
    told = str(caught.value)
    assert f"{gone}: 404 Not Found" in told
    assert f"{closed}: Connection refused" in told
    assert f"{wrong}: sent another file: expected sha256 {CHECKSUM[7:]}" in told
    assert f"Put {path.name} into {path.parent} by hand" in told
    assert isinstance(caught.value, ConnectionError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == told
    assert_nothing_left(path)


def test_broken_transfer_falls_back(web: WebServer, path: Path) -> None:
    broken, whole = web.url("/broken", breaks_off(CONTENT)), web.url("/whole", sends(CONTENT))
    with pytest.raises(DownloadError) as caught:
        fetch([broken], path, CHECKSUM)
    assert str(len(CONTENT) // 2) in caught.value.tried[broken]
    assert_nothing_left(path)
    assert fetch([broken, whole], path, CHECKSUM).read_bytes() == CONTENT


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("after", [0, len(CONTENT) // 2])
def test_silent_transfer_is_given_up(web: WebServer, path: Path, after: int) -> None:
    url = web.url("/silent", falls_silent(CONTENT, after))
    with pytest.raises(DownloadError, match="fell silent after"):
        fetch([url], path, CHECKSUM)
    assert_nothing_left(path)


def test_hanging_mirror_does_not_delay_the_other(web: WebServer, path: Path) -> None:
    urls = [web.url("/hangs", hangs), web.url("/here", sends(CONTENT))]
    start = time.monotonic()
    fetch(urls, path, CHECKSUM)
    assert time.monotonic() - start < download._PROBE


@pytest.mark.usefixtures("hasty")
def test_patience_bounds_all_mirrors_together(web: WebServer, path: Path) -> None:
    urls = [web.url(f"/{number}", falls_silent(CONTENT, 0)) for number in range(6)]
    start = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        fetch(urls, path, CHECKSUM, patience=1.0)
    assert time.monotonic() - start < 3
    assert set(caught.value.tried) == set(urls)


def test_name_lookup_that_hangs_ends_within_ten_seconds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real waiting times: this is the promise itself."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(30))
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"a.example/: no answer within 4 seconds"):
        fetch(["http://a.example/", "http://b.example/"], path, CHECKSUM)
    assert time.monotonic() - start < 10


def test_waiting_times_keep_the_promise() -> None:
    assert max(download.PATIENCE, download._PROBE) < 9.5
    assert min(download._PROBE, download._SILENCE) > 2  # slow lines are lines


def test_environment_names_the_proxy(
    web: WebServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy receives the whole address, and looks up the name itself."""
    web.url("http://nowhere.invalid/weights", sends(CONTENT))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{web.server_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{web.server_port}")
    fetch(["http://nowhere.invalid/weights"], path, CHECKSUM)
    assert path.read_bytes() == CONTENT


def start_download(url: str, path: Path) -> subprocess.Popen[bytes]:
    """Another Python, which is in the middle of a download when this returns."""
    program = (
        "import pathlib, signal, sys; from tinyconv.data.download import fetch; "
        # Whoever runs the tests in the background may have switched Ctrl-C off.
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        "fetch([sys.argv[1]], pathlib.Path(sys.argv[2]), sys.argv[3])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, url, str(path), CHECKSUM], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        parts = list(path.parent.glob("*.part"))
        if parts and parts[0].stat().st_size > 40_000:
            break
        time.sleep(0.02)
    return child


def test_killed_download_leaves_no_file(web: WebServer, path: Path) -> None:
    child = start_download(web.url("/weights", falls_silent(CONTENT, 50_000)), path)
    child.kill()
    child.wait()
    (part,) = path.parent.iterdir()
    assert part.suffix == ".part"
    assert 40_000 < part.stat().st_size < len(CONTENT)

    os.utime(part, (0, 0))  # as if it had been lying there for long
    fetch([web.url("/weights", sends(CONTENT))], path, CHECKSUM)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_interrupted_download_cleans_up(web: WebServer, path: Path) -> None:
    child = start_download(web.url("/weights", falls_silent(CONTENT, 50_000)), path)
    child.send_signal(signal.SIGINT)
    assert child.wait(10) != 0
    assert_nothing_left(path)


def test_damaged_file_is_reported_and_kept(web: WebServer, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(CorruptFileError, match=r"Delete it, and the next call downloads") as caught:
        fetch([web.url("/weights", sends(CONTENT))], path, CHECKSUM)
    assert str(path) in str(caught.value)
    assert CHECKSUM[7:] in str(caught.value)
    assert f"{len(CONTENT) - 1:,} bytes" in str(caught.value)
    assert path.read_bytes() == CONTENT[:-1]
    assert web.requests == []
    path.unlink()
    assert fetch([web.url("/weights", sends(CONTENT))], path, CHECKSUM).read_bytes() == CONTENT


def test_folder_in_the_place_of_the_file(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(CorruptFileError, match="a folder"):
        fetch(["http://127.0.0.1/"], path, CHECKSUM)


def test_trouble_with_the_disk_is_not_blamed_on_the_mirror(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((NotADirectoryError, FileExistsError)):
        fetch([web.url("/w", sends(CONTENT))], tmp_path / "file" / "weights", CHECKSUM)


def test_missing_pooch_is_explained(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'pip install "tinyconv\[data\]"'):
        fetch(["http://127.0.0.1/"], path, CHECKSUM)


def test_callers_mistakes(path: Path) -> None:
    with pytest.raises(ValueError, match="urls"):
        fetch([], path, CHECKSUM)
    with pytest.raises(ValueError, match="checksum= or check="):
        fetch(["http://127.0.0.1/"], path)
    path.parent.mkdir()
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="sha256:<hex>"):
        fetch(["http://127.0.0.1/"], path, "abc")


def test_a_full_disk_is_told_with_the_name_of_the_file(
    web: WebServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_transfer", full)
    with pytest.raises(OSError, match=r"No space left on device.*weights\.bin") as caught:
        fetch([web.url("/weights", sends(CONTENT))], path, CHECKSUM)
    assert not isinstance(caught.value, DownloadError)
    assert_nothing_left(path)
