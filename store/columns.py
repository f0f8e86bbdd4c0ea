"""Columns: numbers of one kind for each of many entries, in as few bytes as they take.

One writer at a time changes a column; a copy that a reader took stays as it was.
"""

import bisect
from array import array
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Integers", "Numbers", "Reals"]

_WIDTHS: tuple[Literal["B", "H", "I", "Q"], ...] = ("B", "H", "I", "Q")


class Numbers:
    """Whole numbers from 0 to below 2**64, all of them as wide as the largest so far."""

    def __init__(self) -> None:
        self._array = array(_WIDTHS[0])

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, position: int) -> int:
        return self._array[position]

    def slice(self, first: int, last: int) -> NDArray[np.unsignedinteger]:
        """A copy of the numbers from a first position to before a last."""
        return np.frombuffer(self._array[first:last], self._array.typecode)

    def find(self, number: int, length: int) -> int:
        """The position of the first of so many numbers that is larger; they must be sorted."""
        return bisect.bisect_right(self._array, number, 0, length)

    def extend(self, numbers: NDArray[np.integer]) -> None:
        """Add numbers at the end."""
        if not len(numbers):
            return
        largest = int(numbers.max())
        width = self._array.typecode
        if largest >> (8 * self._array.itemsize):
            width = next(each for each in _WIDTHS if not largest >> (8 * array(each).itemsize))
            self._array = array(width, self._array)
        self._array.frombytes(numbers.astype(width, copy=False).tobytes())

    def pack(self, length: int) -> bytes:
        """The first so many numbers as bytes of this machine, for :meth:`unpack`."""
        return self._array.typecode.encode() + self._array[:length].tobytes()

    @staticmethod
    def size_of(packed: bytes, start: int, length: int) -> int:
        """How many bytes so many numbers take that are packed from a start on."""
        return 1 + length * array(chr(packed[start])).itemsize

    @classmethod
    def unpack(cls, packed: bytes) -> "Numbers":
        """Make a column of what :meth:`pack` returned.

        Raises:
            ValueError: if that cannot be.
        """
        width = packed[:1].decode("ascii", "replace")
        if width not in _WIDTHS:
            raise ValueError(f"numbers of an unknown width: {width!r}")
        column = cls()
        column._array = array(width)
        column._array.frombytes(packed[1:])
        return column


class Reals:
    """Floating-point numbers, as exactly as Python has them."""

    def __init__(self) -> None:
        self._array = array("d")

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, position: int) -> float:
        return self._array[position]

    def __setitem__(self, position: int, number: float) -> None:
        self._array[position] = number

    def take(self, positions: NDArray[np.integer]) -> NDArray[np.float64]:
        """The numbers at some positions."""
        taken: NDArray[np.float64] = np.frombuffer(self._array, "d")[positions]
        return taken

    def slice(self, first: int, last: int) -> NDArray[np.float64]:
        """A copy of the numbers from a first position to before a last."""
        return np.frombuffer(self._array[first:last], "d")

    def append(self, number: float) -> None:
        """Add a number at the end."""
        self._array.append(number)

    def extend(self, numbers: NDArray[np.float64]) -> None:
        """Add numbers at the end."""
        self._array.frombytes(numbers.astype("d", copy=False).tobytes())

    def pack(self, length: int) -> bytes:
        """The first so many numbers as bytes, for :meth:`unpack`."""
        return self._array[:length].tobytes()

    @classmethod
    def unpack(cls, packed: bytes) -> "Reals":
        """Make a column of what :meth:`pack` returned.

        Raises:
            ValueError: if that cannot be.
        """
        column = cls()
        column._array.frombytes(packed)
        return column


class Integers:
    """Whole numbers of any size; eight bytes each, as long as that is enough."""

    def __init__(self) -> None:
        self._numbers: array[int] | list[int] = array("q")

    @property
    def are_huge(self) -> bool:
        """Whether eight bytes were not enough for one of them."""
        return isinstance(self._numbers, list)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __getitem__(self, position: int) -> int:
        return self._numbers[position]

    def __setitem__(self, position: int, number: int) -> None:
        self._make_room(number)
        self._numbers[position] = number

    def __delitem__(self, position: int) -> None:
        del self._numbers[position]

    def take(self, positions: NDArray[np.integer]) -> NDArray[np.int64] | NDArray[np.object_]:
        """The numbers at some positions."""
        if isinstance(self._numbers, list):
            return np.array([self._numbers[position] for position in positions], object)
        taken: NDArray[np.int64] = np.frombuffer(self._numbers, "q")[positions]
        return taken

    def find_left(self, number: float, first: int = 0, last: int | None = None) -> int:
        """Where a number is or would be, in front of its equals; the numbers must be sorted there."""
        return bisect.bisect_left(self._numbers, number, first, last)

    def find_right(self, number: float, first: int = 0, last: int | None = None) -> int:
        """Where a number is or would be, behind its equals; the numbers must be sorted there."""
        return bisect.bisect_right(self._numbers, number, first, last)

    def append(self, number: int) -> None:
        """Add a number at the end."""
        self.insert(len(self._numbers), number)

    def insert(self, position: int, number: int) -> None:
        """Add a number before the one at a position."""
        self._make_room(number)
        self._numbers.insert(position, number)

    def extend(self, numbers: NDArray[np.int64]) -> None:
        """Add numbers at the end."""
        self._numbers.extend(array("q", numbers.astype("q").tobytes()))

    def _make_room(self, number: int) -> None:
        if not -(1 << 63) <= number < 1 << 63 and isinstance(self._numbers, array):
            self._numbers = self._numbers.tolist()
