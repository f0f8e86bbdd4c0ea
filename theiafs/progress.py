"""Progress of long work on a store, as a bar on the terminal and as lines in the log."""

import logging
import os
import sys
from typing import Never, Self, TextIO

from tqdm import tqdm

__all__ = ["Progress", "copy_of_terminal"]

_LOGGED_FROM = 1000
"""Minimum number of units for lines in the log; less work is too short."""

_DELAY_S = 0.5
"""Minimum duration of work that shows a bar; a shorter one would only flicker."""

log = logging.getLogger(__name__)


class Progress:
    """A bar on a terminal for work that takes a while, and a line in the log for every tenth of it.

    Args:
        what: heading of the bar and of the lines.
        terminal: the terminal; None for no bar.
        unit: what the work is counted in.
    """

    def __init__(self, what: str, terminal: TextIO | None, unit: str = "files") -> None:
        self._what = what
        self._unit = unit
        self._tenths = 0
        self._terminal = terminal
        self._bar: tqdm[Never] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show that *done* of *total* units are done."""
        if self._bar is None and self._terminal is not None:
            self._bar = tqdm(
                desc=self._what,
                total=total,
                unit=f" {self._unit}",
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
            log.info("%s: %d of %d %s", self._what, done, total, self._unit)
        self._tenths = tenths

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is not None:
            self._bar.close()
        if self._terminal is not None:
            self._terminal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def copy_of_terminal() -> TextIO | None:
    """Return a duplicate of stderr that stays open when stderr is closed; None if stderr is not a terminal."""
    if not sys.stderr.isatty():
        return None
    return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8")
