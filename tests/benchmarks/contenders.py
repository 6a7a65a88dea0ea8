"""Contenders that need no library: they take no time, and say what they were told to say."""

import itertools
import multiprocessing
import os
import sys


def counting(first=0.0, **_):
    """1, 2, 3, ... behind `first`."""
    numbers = itertools.count(1)
    return lambda: first + next(numbers)


def constant(seconds):
    """Always the same."""
    return lambda: seconds


def environment(name):
    """A number in the environment of the process."""
    return lambda: float(os.environ[name])


def failing():
    """It can't be prepared."""
    print("look here", file=sys.stderr)
    raise ValueError("no such network")


def dying():
    """It ends its process in its first turn."""

    def turn():
        os.write(2, b"last words")
        os._exit(1)

    return turn


def talking():
    """It writes to the standard error stream, from Python and from below it."""
    print("a warning", file=sys.stderr)
    os.write(2, b"another one")
    return lambda: 1.0


def semaphore():
    """It holds a semaphore, which the system keeps until it is told that nobody needs it."""
    own = multiprocessing.get_context("spawn").Semaphore()

    def turn():
        with own:
            return 1.0

    return turn
