"""Columns: numbers of one kind for each of many entries, each in as few bytes as the largest takes.

One writer at a time changes a column.
"""

import bisect
from array import array
from collections.abc import Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["WIDTHS", "Integers", "Numbers", "Reals"]

WIDTHS = "BHIQ"
"""How wide numbers can be: types of 1, 2, 4 and 8 bytes, as :mod:`struct` knows them."""

_ROOM_MIN = 8
_Column = TypeVar("_Column", bound=np.generic)


class _Growing(Generic[_Column]):
    """Numbers of one kind, with room for more behind them. What was added stays where it is, so that it need not be copied."""

    def __init__(self, values: NDArray[_Column]) -> None:
        self._values = values
        self._length = len(values)

    def __len__(self) -> int:
        return self._length

    def slice(self, first: int, last: int) -> NDArray[_Column]:
        """The numbers from a first position to before a last; whoever sets none of them sees no change."""
        return self._values[first : min(last, self._length)]

    def _checked(self, position: int) -> int:
        if not 0 <= position < self._length:
            raise IndexError(f"position {position} of {self._length}")
        return position

    def _make_room(self, count: int) -> None:
        """See to it that so many more have room."""
        needed = self._length + count
        if needed > len(self._values):
            # Twice as much each time, so that adding one by one costs no more than adding all at once.
            grown = np.empty(max(needed, 2 * len(self._values), _ROOM_MIN), self._values.dtype)
            grown[: self._length] = self._values[: self._length]
            self._values = grown

    def _add(self, values: NDArray[np.generic]) -> None:
        self._make_room(len(values))
        self._values[self._length : self._length + len(values)] = values
        self._length += len(values)


class Numbers(_Growing[np.unsignedinteger]):
    """Whole numbers from 0 to below 2**64, all of them as wide as the largest so far.

    Args:
        values: what is there at first.
    """

    def __init__(self, values: NDArray[np.unsignedinteger] | None = None) -> None:
        super().__init__(np.empty(0, WIDTHS[0]) if values is None else values)

    @property
    def width(self) -> str:
        """The type of each in memory: one of ``WIDTHS``."""
        return self._values.dtype.char

    def __getitem__(self, position: int) -> int:
        return int(self._values[self._checked(position)])

    def find(self, number: int, length: int) -> int:
        """The position of the first of so many numbers that is larger; they must be sorted."""
        return bisect.bisect_right(self._values, number, 0, length)

    def append(self, number: int) -> None:
        """Add a number at the end."""
        self._make_wide(number)
        self._make_room(1)
        self._values[self._length] = number
        self._length += 1

    def extend(self, numbers: NDArray[np.integer]) -> None:
        """Add numbers at the end."""
        if len(numbers):
            self._make_wide(int(numbers.max()))
            self._add(numbers)

    def _make_wide(self, largest: int) -> None:
        if largest >> (8 * self._values.itemsize):
            width = next(each for each in WIDTHS if not largest >> (8 * np.dtype(each).itemsize))
            self._values = self._values.astype(width)


class Reals(_Growing[np.float64]):
    """Floating-point numbers, as exactly as Python has them.

    Args:
        values: what is there at first.
    """

    def __init__(self, values: NDArray[np.float64] | None = None) -> None:
        super().__init__(np.empty(0) if values is None else values)

    def __getitem__(self, position: int) -> float:
        return float(self._values[self._checked(position)])

    def __setitem__(self, position: int, number: float) -> None:
        self._values[position] = number

    def take(self, positions: NDArray[np.integer]) -> NDArray[np.float64]:
        """The numbers at some positions."""
        taken: NDArray[np.float64] = self._values[positions]
        return taken

    def append(self, number: float) -> None:
        """Add a number at the end."""
        self._make_room(1)
        self._values[self._length] = number
        self._length += 1

    def extend(self, numbers: NDArray[np.float64]) -> None:
        """Add numbers at the end."""
        self._add(numbers)


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
