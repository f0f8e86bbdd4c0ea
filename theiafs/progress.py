"""Progress: how far the work on a store has come, for whoever waits at a terminal, and for the log."""

import logging
import os
import sys
from typing import Never, Self, TextIO

from tqdm import tqdm

__all__ = ["Progress", "copy_of_terminal"]

_LOGGED_FROM = 1000
"""Fewer files than this are no work worth a line in the log."""

_DELAY_S = 0.5

log = logging.getLogger(__name__)


class Progress:
    """Shows a bar on a terminal when it takes a while, and logs every tenth of the way.

    Args:
        what: what is being done, as a heading.
        terminal: the terminal; None when there is none.
    """

    def __init__(self, what: str, terminal: TextIO | None) -> None:
        self._what = what
        self._tenths = 0
        self._terminal = terminal
        self._bar: tqdm[Never] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Note how many files are done by now, and how many there are."""
        if self._bar is None and self._terminal is not None:
            self._bar = tqdm(
                desc=self._what,
                total=total,
                unit=" files",
                file=self._terminal,
                delay=_DELAY_S,
                leave=False,
            )
        if self._bar is not None:
            if total != self._bar.total:
                self._bar.reset(total)
            self._bar.update(done - self._bar.n)
        tenths = 10 * done // total
        if tenths != self._tenths and total >= _LOGGED_FROM:
            log.info("%s: %d of %d files", self._what, done, total)
        self._tenths = tenths

    def close(self) -> None:
        """It is over: nothing of it stays on the terminal."""
        if self._bar is not None:
            self._bar.close()
        if self._terminal is not None:
            self._terminal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def copy_of_terminal() -> TextIO | None:
    """A copy of stderr that stays open when stderr is closed; None when stderr is no terminal."""
    if not sys.stderr.isatty():
        return None
    return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8")
