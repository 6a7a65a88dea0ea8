"""The thread that reads ahead: same items, same errors, and it never stays."""

import gc
import os
import threading
import time

import pytest

from tests.training.pipelines import readers
from tinyconv.training.prefetch import Prefetch


@pytest.fixture(autouse=True)
def _no_thread_stays():
    threads = threading.active_count()
    yield
    settle()
    assert threading.active_count() == threads


def settle():
    """Give a thread that nobody waits for a moment to end."""
    deadline = time.monotonic() + 5
    while readers() and time.monotonic() < deadline:
        time.sleep(0.005)


def items(count, log=None, fail_at=None):
    try:
        for number in range(count):
            if number == fail_at:
                raise LookupError(f"no item {number}")
            if log is not None:
                log.append(number)
            yield number
    finally:
        if log is not None:
            log.append("closed")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 200])
def test_the_same_items_in_the_same_order(count):
    ahead = Prefetch(items(count))
    assert list(ahead) == list(range(count))
    assert not readers()
    assert list(ahead) == []


@pytest.mark.parametrize("fail_at", [0, 1, 5])
def test_an_exception_comes_where_its_item_would_have_come(fail_at):
    ahead, got = Prefetch(items(9, fail_at=fail_at)), []
    with pytest.raises(LookupError, match=f"no item {fail_at}") as caught:
        got.extend(ahead)
    assert got == list(range(fail_at))
    assert "items" in [entry.name for entry in caught.traceback]  # where it was raised
    assert list(ahead) == []


def test_reading_overlaps_with_computing_but_not_far():
    log, ahead = [], None
    ahead = Prefetch(items(50, log))
    assert log == []
    next(ahead)
    deadline = time.monotonic() + 5
    while len(log) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert log == [0, 1, 2]
    ahead.close()
    assert log[-1] == "closed"


@pytest.mark.parametrize("taken", [0, 1, 7])
def test_close_ends_the_thread_and_the_items(taken):
    log = []
    ahead = Prefetch(items(99, log))
    for _ in range(taken):
        next(ahead)
    ahead.close()
    ahead.close()
    assert not readers()
    assert log[-1:] == (["closed"] if taken else [])
    assert list(ahead) == []


def test_nobody_holds_it_any_more():
    ahead = Prefetch(items(99))
    next(ahead)
    assert readers()
    del ahead
    gc.collect()
    settle()
    assert not readers()


def test_a_reader_that_hangs_does_not_hang_close(monkeypatch):
    monkeypatch.setattr("tinyconv.training.prefetch._PATIENCE", 0.05)
    release = threading.Event()

    def hanging():
        yield 0
        release.wait(20)
        yield 1

    ahead = Prefetch(hanging())
    next(ahead)
    started = time.monotonic()
    ahead.close()
    assert time.monotonic() - started < 5
    release.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_can_close_it_and_read_by_itself():
    ahead = Prefetch(items(99))
    next(ahead)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with_thread = None
            try:
                next(ahead)
            except RuntimeError as error:
                with_thread = str(error)
            ahead.close()
            fine = list(Prefetch(items(20))) == list(range(20))
            code = 0 if fine and "forked" in (with_thread or "") else 2
        finally:
            os._exit(code)
    deadline = time.monotonic() + 20
    done = status = 0
    while not done and time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.005)
    if not done:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert done
    assert os.waitstatus_to_exitcode(status) == 0
    assert list(ahead) == list(range(1, 99))
