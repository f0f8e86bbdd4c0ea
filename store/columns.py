"""Columns: numbers of one kind for each of many rows, in numpy arrays that grow at their end.

One writer at a time changes a column. Readers need no lock: a slice that was taken once stays as it is.
"""

import bisect
import struct
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "WIDTHS",
    "Bytes",
    "Column",
    "Integers",
    "NarrowColumn",
    "Reals",
    "ShortIntegers",
    "Table",
    "Zeros",
    "narrowed",
]

WIDTHS = "BHIQ"
"""Types of unsigned integers of 1, 2, 4 and 8 bytes, as :mod:`struct` names them."""

_WIDTHS = [next(width for width in WIDTHS if np.dtype(width).itemsize >= size) for size in range(9)]
"""For each number of bytes, the narrowest type that has as many."""

_CAPACITY_MIN = 8

Zeros = Callable[[int, Any], NDArray[Any]]
"""Makes an array of zeros: of a length, and of a type of numpy."""

_Number = TypeVar("_Number", bound=np.generic)


def narrowed(numbers: NDArray[np.integer]) -> NDArray[np.unsignedinteger]:
    """Return *numbers*, none of them negative, as narrow as the largest of them."""
    return numbers.astype(_width(int(numbers.max(initial=0))))


def _width(largest: int) -> str:
    return _WIDTHS[(largest.bit_length() + 7) // 8]


class Column(Generic[_Number]):
    """Numbers of one type, with spare capacity after them.

    Args:
        values: the numbers at first; they are not copied.
    """

    _zeros: Zeros = staticmethod(np.zeros)

    def __init__(self, values: NDArray[_Number]) -> None:
        self._length = len(values)
        self._set(values)

    def _set(self, values: NDArray[_Number]) -> None:
        self._values = values
        # One number comes from here in a third of the time that numpy takes.
        self._cells: Any = values.data

    def __len__(self) -> int:
        return self._length

    @property
    def size(self) -> int:
        """The memory of the numbers, in bytes."""
        return self._values.nbytes

    def page(self, zeros: Zeros) -> None:
        """Move the numbers to an array that *zeros* makes, as all later ones."""
        self._zeros = zeros
        self._move(len(self._values), self._values.dtype)

    def _move(self, capacity: int, kind: np.dtype[Any]) -> None:
        moved = self._zeros(capacity, kind)
        moved[: self._length] = self._values[: self._length]
        self._set(moved)

    def slice(self, first: int, last: int) -> NDArray[_Number]:
        """Return a view of the numbers from *first* to before *last*; later appends do not affect it."""
        return self._values[first : min(last, self._length)]

    def take(self, positions: NDArray[np.integer]) -> NDArray[_Number]:
        """Return the numbers at *positions*."""
        taken: NDArray[_Number] = self._values[positions]
        return taken

    def put(self, positions: NDArray[np.integer], numbers: NDArray[np.generic] | int) -> None:
        """Set the numbers at *positions* to *numbers*."""
        self._values[positions] = numbers

    def extend(self, numbers: NDArray[np.generic]) -> None:
        """Append *numbers*."""
        self._reserve(len(numbers))
        self._values[self._length : self._length + len(numbers)] = numbers
        self._length += len(numbers)

    def resize(self, length: int, filler: int = 0) -> None:
        """Append *filler* up to a *length*, which is at least that of now."""
        self._reserve(length - self._length)
        self._values[self._length : length] = filler
        self._length = length

    def _checked(self, position: int) -> int:
        if not 0 <= position < self._length:
            raise IndexError(f"position {position} of {self._length}")
        return position

    def _reserve(self, count: int) -> None:
        """Reserve capacity for *count* more numbers."""
        needed = self._length + count
        if needed > len(self._values):
            # Growing by a quarter makes the cost of appending one by one a constant; more would be left unused.
            capacity = max(needed, len(self._values) * 5 // 4, _CAPACITY_MIN)
            self._move(capacity, self._values.dtype)


class NarrowColumn(Column[np.unsignedinteger]):
    """Integers from 0 to below 2**64, all as wide as the largest so far.

    Args:
        values: the numbers at first; they are not copied.
    """

    def __init__(self, values: NDArray[np.unsignedinteger] | None = None) -> None:
        super().__init__(np.empty(0, WIDTHS[0]) if values is None else values)

    def __getitem__(self, position: int) -> int:
        return self._cells[self._checked(position)]  # type: ignore[no-any-return]

    def __setitem__(self, position: int, number: int) -> None:
        self._widen(number)
        self._cells[self._checked(position)] = number

    def put(self, positions: NDArray[np.integer], numbers: NDArray[np.generic] | int) -> None:
        """Set the numbers at *positions* to *numbers*."""
        self._widen(numbers if isinstance(numbers, int) else int(numbers.max(initial=0)))
        super().put(positions, numbers)

    def find(self, number: int) -> int:
        """Return the index of the first value > *number*; the column must be sorted."""
        return bisect.bisect_right(self._values, number, 0, self._length)

    def append(self, number: int) -> None:
        """Append *number*."""
        self._widen(number)
        self._reserve(1)
        self._cells[self._length] = number
        self._length += 1

    def extend(self, numbers: NDArray[np.generic]) -> None:
        """Append *numbers*."""
        if len(numbers):
            self._widen(int(numbers.max()))
            super().extend(numbers)

    def _widen(self, largest: int) -> None:
        if largest >= 1 << (8 * self._values.itemsize):
            self._move(len(self._values), np.dtype(_width(largest)))


class Integers(Column[np.int64]):
    """Integers that fit into 64 bits.

    Positions are ids that the owner of the column gave, and are not checked: they are looked up for every write.

    Args:
        values: the numbers at first; they are not copied.
    """

    def __init__(self, values: NDArray[np.int64] | None = None) -> None:
        super().__init__(np.empty(0, np.int64) if values is None else values)

    def __getitem__(self, position: int) -> int:
        return self._cells[position]  # type: ignore[no-any-return]

    def __setitem__(self, position: int, number: int) -> None:
        self._cells[position] = number

    def append(self, number: int) -> None:
        """Append *number*."""
        self._reserve(1)
        self._cells[self._length] = number
        self._length += 1


class ShortIntegers(Column[np.int32]):
    """Integers that fit into 32 bits, such as ids; positions are not checked."""

    def __init__(self) -> None:
        super().__init__(np.empty(0, np.int32))

    def __getitem__(self, position: int) -> int:
        return self._cells[position]  # type: ignore[no-any-return]

    def __setitem__(self, position: int, number: int) -> None:
        self._cells[position] = number


class Reals(Column[np.float64]):
    """Floating-point numbers.

    Args:
        values: the numbers at first; they are not copied.
    """

    def __init__(self, values: NDArray[np.float64] | None = None) -> None:
        super().__init__(np.empty(0) if values is None else values)

    def __getitem__(self, position: int) -> float:
        return self._cells[position]  # type: ignore[no-any-return]

    def __setitem__(self, position: int, number: float) -> None:
        self._cells[position] = number


class Bytes(Column[np.uint8]):
    """Bytes, one after the other."""

    def __init__(self) -> None:
        super().__init__(np.empty(0, np.uint8))

    def __getitem__(self, part: slice) -> bytes:
        return bytes(self._cells[part])

    def clear(self) -> None:
        """Remove all of them."""
        self._length = 0

    def append(self, data: bytes) -> None:
        """Append *data*."""
        self._reserve(len(data))
        self._cells[self._length : self._length + len(data)] = data
        self._length += len(data)


class Table:
    """Rows of numbers of 64 bits, row after row: what is known of one of them lies together.

    Positions are ids that the owner of the table gave, and are not checked.

    Args:
        row: the type of a row, a structured one.
    """

    _zeros: Zeros = staticmethod(np.zeros)

    def __init__(self, row: np.dtype[np.void]) -> None:
        self._length = 0
        self._row_size = row.itemsize
        self._set(np.zeros(0, row))

    def page(self, zeros: Zeros) -> None:
        """Move the rows to an array that *zeros* makes, as all later ones."""
        self._zeros = zeros
        self._move(len(self._rows))

    def _move(self, capacity: int) -> None:
        moved = self._zeros(capacity, self._rows.dtype)
        moved[: self._length] = self._rows[: self._length]
        self._set(moved)

    def _set(self, rows: NDArray[np.void]) -> None:
        self._rows = rows
        # Several numbers come from here in a tenth of the time that numpy takes.
        self._bytes = rows.view(np.uint8).data

    def __len__(self) -> int:
        return self._length

    @property
    def size(self) -> int:
        """The memory of the rows, in bytes."""
        return self._rows.nbytes

    def get(self, position: int, fields: struct.Struct, offset: int = 0) -> tuple[Any, ...]:
        """Return the *fields* of the row at *position* that begin *offset* bytes after its start."""
        return fields.unpack_from(self._bytes, position * self._row_size + offset)

    def set(self, position: int, fields: struct.Struct, offset: int, *values: float) -> None:
        """Set the *fields* of the row at *position* that begin *offset* bytes after its start to *values*."""
        fields.pack_into(self._bytes, position * self._row_size + offset, *values)

    def put(self, positions: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        """Set the first fields of the rows at *positions* to *numbers*, a row each; reals as the integers of the same bytes."""
        words = self._rows.view(np.int64).reshape(-1, self._row_size // 8)
        words[positions, : numbers.shape[1]] = numbers

    def column(self, name: str) -> NDArray[Any]:
        """Return a view of the field *name* of all rows."""
        column: NDArray[Any] = self._rows[name][: self._length]
        return column

    def resize(self, length: int) -> None:
        """Append rows of zeros up to a *length*, which is at least that of now."""
        if length > len(self._rows):
            self._move(max(length, len(self._rows) * 5 // 4, _CAPACITY_MIN))
        self._length = length
