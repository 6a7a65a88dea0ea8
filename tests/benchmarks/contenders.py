"""Contenders that need no library: they take no time, and say what they were told to say."""

import itertools
import os


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
    raise ValueError("no such network")


def dying():
    """It ends its process in its first turn."""
    return lambda: os._exit(1)
