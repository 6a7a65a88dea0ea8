"""A web server on this machine that behaves, or misbehaves, as a test asks it to."""

from __future__ import annotations

import gzip
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: WebServer

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.answers.get(self.path, missing)(self)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    @property
    def is_probe(self) -> bool:
        return "Range" in self.headers

    def begin(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, content: bytes) -> None:
        try:
            self.wfile.write(content)
            self.wfile.flush()
        except OSError:
            pass  # the client may hang up: that is what the probe does


class WebServer(ThreadingHTTPServer):
    """Answers a path as `answers` says; `released` ends everything that hangs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.released = threading.Event()

    def url(self, path: str, answer: Answer) -> str:
        self.answers[path] = answer
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are expected."""


def missing(handler: Handler) -> None:
    handler.send_error(404)


def hangs(handler: Handler) -> None:
    handler.server.released.wait(20)


def sends(content: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.begin(len(content))
        handler.send(content)

    return answer


def breaks_off(content: bytes) -> Answer:
    """Promises the whole content and hangs up half way."""

    def answer(handler: Handler) -> None:
        handler.begin(len(content))
        handler.send(content[: len(content) // 2])

    return answer


def falls_silent(content: bytes, after: int) -> Answer:
    """Sends the beginning and then nothing, without hanging up."""

    def answer(handler: Handler) -> None:
        handler.begin(len(content))
        handler.send(content[:after] or b"\0" * handler.is_probe)
        if not handler.is_probe:
            hangs(handler)

    return answer


def idx(array: np.ndarray) -> bytes:
    """The array as an IDX file."""
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def packed_idx(array: np.ndarray) -> bytes:
    return gzip.compress(idx(array), mtime=0)
