"""From batches to the columns of the table: what is sent to the engine, and how."""

from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.clickhouse.native import encode_block, encode_lists, encode_strings
from store.format.batch import Batch
from store.format.contents import find_contents
from store.format.level_columns import levels_of
from store.format.record import split_stream_key
from store.view import View

__all__ = ["Rows", "encode_rows", "rows_of", "view_column"]

Integers = npt.NDArray[np.int64]

_SIZE_LAST = len(b"\n\n")
"""Every record ends with these, which the table does not keep."""


def view_column(view: View) -> str:
    """Return the name of the column with the sizes of lines in *view*."""
    return f"{view.name}_{view.version}_size"


class Rows(NamedTuple):
    """Events in columns.

    Attributes:
        data: their records, one after the other.
        edges: offset of each, and of the end of the last, in bytes.
        ticks: their times, in ticks since the epoch.
        streams: for each, the index of its stream key.
        keys: stream keys.
        places: for each, its place in the INSERT.
    """

    data: bytes
    edges: Integers
    ticks: Integers
    streams: Integers
    keys: list[bytes]
    places: Integers

    def __len__(self) -> int:
        return len(self.ticks)

    def divided(self, size_max: int) -> Iterator["Rows"]:
        """Yield the same events in parts of at most *size_max* bytes each, or of one event that is larger."""
        first = 0
        while first < len(self.ticks):
            last = int(np.searchsorted(self.edges, self.edges[first] + size_max, "right")) - 1
            last = max(last, first + 1)
            edges = self.edges[first : last + 1]
            some = slice(first, last)
            data = self.data[edges[0] : edges[-1]]
            yield _whole_insert(
                data, edges - edges[0], self.ticks[some], self.streams[some], self.keys
            )
            first = last

    def without(self, places: Container[int]) -> "Rows":
        """Return the events at other places of the INSERT than *places*."""
        left = [row for row, place in enumerate(self.places.tolist()) if place not in places]
        records = [self.data[self.edges[row] : self.edges[row + 1]] for row in left]
        edges = np.cumsum([0, *map(len, records)])
        return Rows(
            b"".join(records),
            edges,
            self.ticks[left],
            self.streams[left],
            self.keys,
            self.places[left],
        )


def _whole_insert(
    data: bytes, edges: Integers, ticks: Integers, streams: Integers, keys: list[bytes]
) -> Rows:
    """Return the rows of an INSERT, all of them, numbered from 0."""
    return Rows(data, edges, ticks, streams, keys, np.arange(len(ticks)))


def rows_of(batches: Sequence[Batch]) -> Rows:
    """Return the events of *batches*, one batch after the other."""
    data = b"".join(each.data for each in batches)
    sizes = np.concatenate([np.array(each.sizes, np.int64) for each in batches])
    ticks = np.concatenate([np.array(each.ticks, np.int64) for each in batches])
    keys: list[bytes] = []
    streams = []
    for each in batches:
        streams.append(np.array(each.streams, np.int64) + len(keys))
        keys += each.keys
    edges = np.concatenate(([0], np.cumsum(sizes)))
    return _whole_insert(data, edges, ticks, np.concatenate(streams), keys)


def encode_rows(rows: Rows, views: Sequence[View], insert_hash: int) -> bytes:
    """Encode *rows* as a block of the table, with the sizes of their lines in *views*, and *insert_hash* in each."""
    data, edges = rows.data, rows.edges
    contents = find_contents(data, edges)
    keys, streams = _distinct(rows)
    sources, tags = zip(*map(split_stream_key, keys), strict=True)
    encoded_sources = [encode_strings([each]) for each in sources]
    starts, content_starts = edges[:-1].tolist(), contents.starts.tolist()
    content_ends = contents.ends.tolist()
    columns = {
        "ticks": ("Int64", rows.ticks.tobytes()),
        "n": ("UInt32", rows.places.astype("<u4").tobytes()),
        "insert_hash": ("UInt64", np.full(len(rows), insert_hash, "<u8").tobytes()),
        "source": ("String", b"".join([encoded_sources[each] for each in streams.tolist()])),
        "tags": ("Array(String)", encode_lists(list(map(_split, tags)), streams)),
        "level": ("UInt8", levels_of(data, edges, contents).tobytes()),
        "head": (
            "String",
            encode_strings(map(data.__getitem__, map(slice, starts, content_starts))),
        ),
        "content": (
            "String",
            encode_strings(map(data.__getitem__, map(slice, content_starts, content_ends))),
        ),
    }
    for view in views:
        columns[view_column(view)] = ("UInt32", view.sizes(data, edges).astype("<u4").tobytes())
    return encode_block(len(rows), columns)


def _distinct(rows: Rows) -> tuple[list[bytes], Integers]:
    """Return the different stream keys of *rows*, and for each row the index of its key."""
    numbers: dict[bytes, int] = {}
    places = np.array([numbers.setdefault(key, len(numbers)) for key in rows.keys], np.int64)
    return list(numbers), places[rows.streams]


def _split(tags: bytes) -> list[bytes]:
    return [tag for tag in tags.split(b",") if tag]
