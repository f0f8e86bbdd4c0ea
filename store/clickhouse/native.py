"""Columns as bytes in the engine's Native format: as they are sent, and as they are read."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["decode_blocks", "encode_block", "encode_lists", "encode_strings"]

Integers = npt.NDArray[np.int64]

_MORE = 0x80
_GROUP_BITS = 7
_PREPARED = 1 << 12
_NUMBERS: dict[str, np.dtype[Any]] = {
    "Int64": np.dtype("<i8"),
    "UInt64": np.dtype("<u8"),
    "UInt32": np.dtype("<u4"),
    "UInt8": np.dtype("u1"),
}


def _varint(number: int) -> bytes:
    """Encode *number* in as many groups of seven bits as it needs, the lowest first."""
    groups = bytearray()
    while number >= _MORE:
        groups.append(number % _MORE | _MORE)
        number >>= _GROUP_BITS
    groups.append(number)
    return bytes(groups)


_VARINTS = [_varint(number) for number in range(_PREPARED)]


def _encode_size(number: int) -> bytes:
    return _VARINTS[number] if number < _PREPARED else _varint(number)


def encode_strings(strings: Iterable[bytes]) -> bytes:
    """Encode a column of *strings*."""
    return b"".join([part for each in strings for part in (_encode_size(len(each)), each)])


def encode_lists(lists: list[list[bytes]], rows: Integers) -> bytes:
    """Encode a column of lists of strings.

    Args:
        lists: the different lists.
        rows: for each row of the column, the index of its list.
    """
    counts = np.array([len(each) for each in lists], np.uint64)
    encoded = [encode_strings(each) for each in lists]
    ends = np.cumsum(counts[rows], dtype="<u8").tobytes()
    return ends + b"".join([encoded[row] for row in rows.tolist()])


def encode_block(rows: int, columns: Mapping[str, tuple[str, bytes]]) -> bytes:
    """Encode a block of *rows*, which has *columns*: by name, the type and the bytes of each."""
    parts = [_encode_size(len(columns)), _encode_size(rows)]
    for name, (kind, data) in columns.items():
        parts += (encode_strings([name.encode(), kind.encode()]), data)
    return b"".join(parts)


def decode_blocks(data: bytes, sizes: str = "") -> Iterator[dict[str, Any]]:
    """Decode the blocks in *data*.

    Args:
        data: the whole blocks, one after the other.
        sizes: the name of a column with the sizes of the strings in the next column of strings, in bytes; empty for none.

    Yields:
        The columns of each block by name: numbers as an array of int64; strings as a list of bytes, or joined where their
        sizes are known; lists of strings as a list of tuples of bytes.
    """
    block = _Block(data)
    while block.position < len(data):
        columns: dict[str, Any] = {}
        count, rows = block.varint(), block.varint()
        for _ in range(count):
            name, kind = block.string().decode(), block.string().decode()
            if kind in _NUMBERS:
                columns[name] = block.numbers(_NUMBERS[kind], rows)
            elif kind == "Array(String)":
                columns[name] = block.lists(rows)
            elif sizes in columns:
                columns[name] = block.joined(columns[sizes])
            else:
                columns[name] = block.strings(rows)
        yield columns


class _Block:
    """A block that is read from its start."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def varint(self) -> int:
        number = shift = 0
        while True:
            group = self._data[self.position]
            self.position += 1
            number |= group % _MORE << shift
            if group < _MORE:
                return number
            shift += _GROUP_BITS

    def string(self) -> bytes:
        size = self.varint()
        self.position += size
        return self._data[self.position - size : self.position]

    def strings(self, rows: int) -> list[bytes]:
        return [self.string() for _ in range(rows)]

    def numbers(self, kind: np.dtype[Any], rows: int) -> Integers:
        found = np.frombuffer(self._data, kind, rows, self.position)
        self.position += found.nbytes
        return found.astype(np.int64)

    def lists(self, rows: int) -> list[tuple[bytes, ...]]:
        ends = self.numbers(_NUMBERS["UInt64"], rows).tolist()
        strings = self.strings(ends[-1] if ends else 0)
        return [tuple(strings[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    def joined(self, sizes: Integers) -> bytes:
        """Read strings of these *sizes*, without the sizes between them."""
        widths = np.ones(len(sizes), np.int64)
        for more in range(1, 5):
            widths += sizes >> _GROUP_BITS * more > 0
        ends = np.cumsum(sizes + widths)
        found = np.frombuffer(
            self._data, np.uint8, int(ends[-1]) if len(ends) else 0, self.position
        )
        self.position += len(found)
        are_strings = np.ones(len(found), np.bool_)
        starts = ends - sizes - widths
        for place in range(int(widths.max(initial=0))):
            are_strings[starts[widths > place] + place] = False
        return found[are_strings].tobytes()
