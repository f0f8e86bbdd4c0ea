"""Views: renderings of events as lines, which the users of a store define."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

__all__ = ["View"]

Integers = npt.NDArray[np.int64]


class View(ABC):
    """A rendering of events, one line for each. Any number of threads may use it.

    A store asks it for the sizes of lines, keeps them, and has only those lines rendered that are read.

    Attributes:
        name: a short name, different for each view.
        version: a number that changes whenever the bytes of a line, or their number, may.
    """

    name: str
    version: int

    @abstractmethod
    def sizes(self, data: bytes, edges: Integers) -> Integers:
        """Return the size of each event's line in bytes, its newline included.

        Args:
            data: whole records, one after the other.
            edges: offset of each record in the data, and of the end of the last, in bytes.
        """

    @abstractmethod
    def render(self, data: bytes, edges: Integers) -> bytes:
        """Return the lines of all events, one after the other.

        Args:
            data: whole records, one after the other.
            edges: offset of each record in the data, and of the end of the last, in bytes.
        """
