"""Ctrl-C waits for the end of what must not be left half done."""

import signal
import threading

import pytest

from tinyconv.interrupts import held_back

pytestmark = pytest.mark.usefixtures("interruptible")


def test_it_comes_when_the_block_has_ended():
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("whole")
        done.append("too far")
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_comes_after_an_exception_too():
    with pytest.raises(KeyboardInterrupt) as caught, held_back():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        raise ValueError("mine")
    assert isinstance(caught.value.__context__, ValueError)


def test_without_it_nothing_happens():
    with held_back():
        pass
    with pytest.raises(ValueError, match="mine"), held_back():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_blocks_inside_of_each_other():
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():  # noqa: PT012
        with held_back():
            signal.raise_signal(signal.SIGINT)
        done.append("the outer one, too")
    assert done


def test_who_ignores_it_goes_on_ignoring_it():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_are_left_alone():
    found = []

    def work():
        with held_back():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
