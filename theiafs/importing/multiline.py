"""Events of several lines: which lines continue the one before them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from theiafs.importing.inputs import Block

__all__ = ["Contents", "Joiner", "Multiline"]


class Contents(NamedTuple):
    """The contents of events.

    Attributes:
        texts: the contents; of several lines, joined by newlines.
        lines: the number of the first line of each in the file, from 1.
    """

    texts: list[bytes]
    lines: npt.NDArray[np.int64]


class Multiline:
    """A rule that says which lines continue the one before.

    Attributes:
        text: the rule, as given.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def parse(cls, text: str) -> "Multiline":
        """Parse *text*: ``auto``, ``none``, or ``start=REGEX``.

        Raises:
            ImportFailed: if it is none of them.
        """
        raise NotImplementedError


class Joiner:
    """Joins the lines of one file to contents of events.

    Args:
        rule: says which lines continue the one before.
        event_size_max: size limit of a content, in bytes; one that would become larger ends before.
    """

    def __init__(self, rule: Multiline, event_size_max: int) -> None:
        self._rule = rule
        self._event_size_max = event_size_max

    def feed(self, block: Block) -> Contents:
        """Join the lines of *block*; the last content is kept, as the next block may continue it."""
        raise NotImplementedError

    def finish(self) -> Contents:
        """Return the content that was kept, if any."""
        raise NotImplementedError
