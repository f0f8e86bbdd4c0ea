"""Labels: what stream keys consist of, the sources and the tags, and the streams that have each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from store.columns import Zeros
from store.format.record import decode_text, split_stream_key
from store.index.keys import ABSENT, KeyTable
from store.index.postings import Postings

__all__ = ["Labels", "Split", "sources_in", "tags_in"]

Split = Callable[[Iterable[bytes]], tuple[list[bytes], NDArray[np.int64]]]
"""Returns all labels in stream keys, and for each label the index of the key that it is in."""


class Labels:
    """The labels of one kind, and the posting list of each: the ids of the streams that have it.

    Not safe for several threads: callers hold the store's state lock.

    Args:
        split: finds the labels in stream keys.
    """

    def __init__(self, split: Split) -> None:
        self._split = split
        self._table = KeyTable()
        self._streams = Postings()

    @property
    def size(self) -> int:
        """The memory of all labels, in bytes, about."""
        return self._table.size + self._streams.size

    def page(self, zeros: Zeros) -> None:
        """Move the labels as :meth:`store.columns.Column.page` does."""
        self._table.page(zeros)
        self._streams.page(zeros)

    def has(self, label: str) -> bool:
        """Return whether some stream has *label*."""
        return self._find(label) != ABSENT

    def streams(self, label: str) -> NDArray[np.int64]:
        """Return the ids of the streams with *label*."""
        found = self._find(label)
        return np.empty(0, np.int64) if found == ABSENT else self._streams.of(found)

    def all(self) -> Iterator[str]:
        """Return an iterator over all labels, as they are now; it needs no lock."""
        return map(decode_text, self._table.keys())

    def admit(self, keys: Sequence[bytes], ids: NDArray[np.int64]) -> None:
        """Add the streams with *ids* and *keys*."""
        labels, owners = self._split(keys)
        rows = self._table.assign(labels).ids
        self._streams.resize(len(self._table))
        self._streams.add_all(rows, ids[owners])

    def forget(self, keys: Sequence[bytes], ids: NDArray[np.int64]) -> None:
        """Remove the streams with *ids* and *keys*."""
        labels, owners = self._split(keys)
        rows = self._table.assign(labels).ids
        self._streams.remove_all(rows, ids[owners])
        self._table.remove(np.unique(self._streams.empty(rows)))

    def _find(self, label: str) -> int:
        encoded = _encoded(label)
        return ABSENT if encoded is None else self._table.find(encoded)


def sources_in(keys: Iterable[bytes]) -> tuple[list[bytes], NDArray[np.int64]]:
    """Return the source in each of *keys*, as :data:`Split` says."""
    sources = [split_stream_key(key)[0] for key in keys]
    return sources, np.arange(len(sources))


def tags_in(keys: Iterable[bytes]) -> tuple[list[bytes], NDArray[np.int64]]:
    """Return all tags in stream *keys*, as :data:`Split` says; the empty one stands for no tag: theia leaves others."""
    tags = [split_stream_key(key)[1] for key in keys]
    owners = np.arange(len(tags))
    if b"," in b"".join(tags):
        lists = [list(filter(None, each.split(b","))) or [b""] for each in tags]
        tags = list(chain.from_iterable(lists))
        owners = owners.repeat(np.array([len(each) for each in lists]))
    return tags, owners


def _encoded(label: str) -> bytes | None:
    """Return *label* as it stands in keys; None when it can be in none."""
    try:
        encoded = label.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    return encoded if decode_text(encoded) == label else None
