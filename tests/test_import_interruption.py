"""Ctrl-C: at once, or after what is deferred; and never where it is ignored."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from theiafs.importing.interruption import Interruption


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    """SIGINT as a program in the foreground has it, whatever these tests were started from."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def press_within_deferred(interruption: Interruption, then: Callable[[], object]) -> None:
    with interruption.deferred():
        press()
        then()


def fail() -> None:
    raise ValueError("failed")


def test_it_interrupts_at_once() -> None:
    with Interruption(), pytest.raises(KeyboardInterrupt):
        press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_interrupts_after_what_is_deferred() -> None:
    done: list[str] = []
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt):
            press_within_deferred(interruption, lambda: done.append("deferred"))
        assert done == ["deferred"]
        # Once is enough.
        with interruption.deferred():
            done.append("again")
    assert done == ["deferred", "again"]


def test_a_failure_of_what_is_deferred_is_not_hidden() -> None:
    with Interruption() as interruption, pytest.raises(ValueError, match="failed"):
        press_within_deferred(interruption, fail)


def test_where_it_is_ignored_it_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interruption():
        press()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
