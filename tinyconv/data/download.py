"""Download a file once, from whichever mirror answers, or say soon why it cannot be had.

    probe     all mirrors are asked for their first byte at the same time, each in a
              thread of its own: looking up a name can hang for minutes, and no
              timeout of a socket ends that, but a thread need not be waited for
    transfer  the quickest mirror sends the file into a temporary name; a transfer
              that falls silent is given up, and the next mirror has its turn
    check     the temporary file must be what was asked for
    rename    only then does it get its name, in one step: a file that is there is whole

Proxies are taken from the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tinyconv.data.cache import CorruptFileError, verify
from tinyconv.data.progress import Progress
from tinyconv.saving.errors import written_by

# All in seconds. Together they keep the promise of an answer within ten.
PATIENCE = 8.5
_PROBE = 4.0
_SILENCE = 5.0

# The sockets' own timeouts come later than ours; they only end the abandoned threads.
_GRACE = 1.0

# Small enough that even a slow line delivers one well within _SILENCE.
_CHUNK_BYTES = 8192
_ABANDONED_AFTER = 24 * 3600.0
# Without this a server may send a .gz file as "content packed with gzip", which
# would be unpacked on the way and then no longer match its checksum.
_HEADERS = {"Accept-Encoding": "identity"}


class DownloadError(ConnectionError):
    """No mirror could deliver a file.

    Attributes:
        path: where the file should have gone.
        tried: the reason of the failure for each address.
        by_hand: which files the reader can put where instead.
    """

    def __init__(self, path: Path, tried: Mapping[str, str], by_hand: str) -> None:
        lines = [f"{path.name} could not be downloaded. Tried:"]
        lines += [f"  {url}: {reason}" for url, reason in tried.items()]
        lines += [f"Put {by_hand} by hand, or try again with a network."]
        super().__init__("\n".join(lines))
        self.path, self.tried, self.by_hand = path, dict(tried), by_hand

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.tried, self.by_hand)


def fetch(
    urls: Sequence[str],
    path: Path,
    checksum: str | None = None,
    *,
    check: Callable[[Path], object] | None = None,
    by_hand: str | None = None,
    patience: float = PATIENCE,
) -> Path:
    """Return `path`, after downloading it if it is not there yet.

    Args:
        urls: addresses of the same file, http or https.
        path: where the file is kept.
        checksum: "md5:<hex>" or "sha256:<hex>" of the file.
        check: called with a path in place of the checksum, for a file that is known
            by its content; raises CorruptFileError.
        by_hand: "<files> into <folder>", the way out that the error message offers;
            None for this one file.
        patience: seconds after which to give up if not one byte of the file came.

    Raises:
        CorruptFileError: if the file is there already and is not as expected. It is
            neither used nor touched.
        DownloadError: if no mirror delivers the file.
        ImportError: if a download is needed and pooch is not installed.
        ValueError: if neither a checksum nor a check is given, or no address.
    """
    if not urls:
        raise ValueError("urls must hold at least one address. Received: urls=[]")
    if checksum is not None:
        check = partial(verify, checksum=checksum)
    if check is None:
        raise ValueError("fetch needs checksum= or check=: no file is trusted unseen")
    if path.exists():
        check(path)
        return path

    _import_pooch()
    give_up = time.monotonic() + patience
    tried = {}
    for url, trouble in _probe(urls, min(_PROBE, patience)):
        tried[url] = trouble or _download(url, path, check, give_up)
        if not tried[url]:
            return path
    raise DownloadError(path, tried, by_hand or f"{path.name} into {path.parent}")


def _probe(urls: Sequence[str], seconds: float) -> Iterator[tuple[str, str]]:
    """Yield each address with what is wrong with it ("" for nothing), quickest first."""
    import requests  # comes with pooch

    answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    limit = seconds + _GRACE

    def ask(url: str) -> None:
        try:
            headers = _HEADERS | {"Range": "bytes=0-0"}
            with requests.get(url, stream=True, timeout=limit, headers=headers) as response:
                response.raise_for_status()
                next(response.iter_content(1), b"")
            answers.put((url, ""))
        except Exception as error:
            answers.put((url, _reason(error)))

    for url in urls:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    silent = list(urls)
    deadline = time.monotonic() + seconds
    while silent:
        try:
            answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        silent.remove(answer[0])
        yield answer
    for url in silent:
        yield url, f"no answer within {seconds:g} seconds"


def _download(url: str, path: Path, check: Callable[[Path], object], give_up: float) -> str:
    """Bring one file to its place; return what went wrong, "" for nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with written_by("the download", path):
            trouble = _transfer(url, temporary, path.name, give_up)
        if trouble:
            return trouble
        check(temporary)
        os.replace(temporary, path)
    except CorruptFileError as error:
        return f"sent another file: expected {error.expected}; found {error.found}"
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return ""


def _transfer(url: str, temporary: Path, name: str, give_up: float) -> str:
    """Write what `url` sends; return what went wrong, "" for nothing."""
    import requests

    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    # The file is opened, and closed, here: a thread that was given up can then
    # neither create it anew nor go on writing.
    with temporary.open("xb") as file, Progress(name) as progress:
        downloader = _import_pooch().HTTPDownloader(
            progressbar=progress,
            chunk_size=_CHUNK_BYTES,
            timeout=_SILENCE + _GRACE,
            headers=_HEADERS,
        )

        def work() -> None:
            try:
                downloader(url, file, None)
                outcome.put(None)
            except Exception as error:
                outcome.put(error)

        threading.Thread(target=work, daemon=True).start()
        while True:
            try:
                error = outcome.get(timeout=0.1)
                break
            except queue.Empty:
                limit = progress.last_sign + _SILENCE
                if not progress.started:
                    limit = min(limit, give_up)
                if time.monotonic() > limit:
                    return f"the transfer fell silent after {progress.bytes:,} bytes"
    if isinstance(error, requests.RequestException):
        return _reason(error)
    if error is not None:
        raise error  # a full disk, say: no fault of the mirror's
    return ""


def _remove_abandoned(path: Path) -> None:
    """Remove what killed downloads of this file left behind a day ago or earlier."""
    for leftover in path.parent.glob(f"{path.name}.????????.part"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _ABANDONED_AFTER:
                leftover.unlink()


def _reason(error: BaseException) -> str:
    """The cause at the bottom of a chain of exceptions, in a few words."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    prefix = "the proxy: " if isinstance(error, requests.exceptions.ProxyError) else ""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return prefix + (getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _import_pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise ImportError('downloading data needs pooch: pip install "tinyconv[data]"') from error
    return pooch
