"""A process in the background: it works on when the command that started it has ended."""

import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO

from theiafs.errors import MountError
from theiafs.progress import copy_of_terminal

__all__ = ["run_in_background"]

_UP = b"\0"
"""Written by the background process, after any messages, once it is up."""

_FIRST_INHERITED = 3
"""The first descriptor after those of stdin, stdout and stderr."""

Work = Callable[[TextIO | None, Callable[[], None]], None]


def run_in_background(work: Work) -> bool:
    """Call *work* in a background process, and return in the calling one as soon as it is up.

    libfuse can do that too, but its fork loses threads and locks.

    Args:
        work: is called with the terminal, if there is one, and a function that it calls once it is up. What is written to
            stderr before that tells why it failed.

    Returns:
        Whether this is the background process, at its end.

    Raises:
        MountError: in the calling process, if the other one ended before it was up.
        KeyboardInterrupt: in the calling process, after the other one has ended, too.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    process_id = os.fork()
    if not process_id:
        os.close(reader)
        _work(work, writer)
        return True
    os.close(writer)
    try:
        with open(reader, "rb") as pipe:
            said = pipe.read()
    except KeyboardInterrupt:
        os.kill(process_id, signal.SIGTERM)
        os.waitpid(process_id, 0)
        raise
    if not said.endswith(_UP):
        os.waitpid(process_id, 0)
        lines = said.decode("utf-8", "replace").splitlines()
        raise MountError(
            "; ".join(line.strip() for line in lines if line.strip()) or "the mount process ended"
        )
    return False


def _work(work: Work, writer: int) -> None:
    """Call *work*, in a session of its own, with the pipe *writer* in place of stderr until it is up."""
    terminal = copy_of_terminal()
    os.setsid()
    _reset_signals()
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    # libfuse and its helper write their error messages here.
    os.dup2(writer, 2)
    _close_inherited(terminal)

    def note_up() -> None:
        os.write(2, _UP)
        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 2)
        os.close(silence)

    try:
        work(terminal, note_up)
    except MountError as error:
        print(error, file=sys.stderr)  # read by the process that waits at the other end of the pipe
        raise SystemExit(1) from error


def _reset_signals() -> None:
    """Reset signals that the caller ignores or blocks, as nohup(1) does: libfuse handles only those at their defaults."""
    for number in (signal.SIGHUP, signal.SIGTERM):  # the bindings reset SIGINT
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _close_inherited(terminal: TextIO | None) -> None:
    """Close all descriptors but those of *terminal*, stdin, stdout and stderr.

    The caller's would stay open as long as the mount: its locks would stay held, and a reader of its pipes would wait.
    """
    first = _FIRST_INHERITED
    if terminal is not None:
        os.closerange(first, terminal.fileno())
        first = terminal.fileno() + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
