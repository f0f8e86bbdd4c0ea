"""The registry: small things by name that are no events: declared tags and sources, saved views, states.

It is a log too: the last entry of a name counts, one that removes it included.
"""

import threading
import time
import uuid
from collections.abc import Mapping
from typing import NamedTuple

from store.clickhouse.native import decode_blocks, encode_block, encode_strings
from store.clickhouse.tables import ENTRIES
from store.clickhouse.wire import Wire

__all__ = ["Entry", "Registry"]


class Entry(NamedTuple):
    """A name, and its value; None removes it."""

    name: bytes
    value: bytes | None


class Registry:
    """The entries of one kind. Any number of threads may use it.

    Args:
        wire: the engine.
        kind: the kind, a word.
        staleness_s: how old what other processes wrote may be, in seconds.
    """

    def __init__(self, wire: Wire, kind: str, staleness_s: float) -> None:
        self._wire = wire
        self._kind = kind
        self._staleness_s = staleness_s
        self._lock = threading.Lock()
        self._writes = 0
        # The values, when they were asked for, and the number of own writes at that time.
        self._known: tuple[dict[bytes, bytes], float, int] | None = None

    def read(self) -> Mapping[bytes, bytes]:
        """Return the values by name, at most *staleness_s* old.

        Raises:
            EventReadException: if the engine does not answer.
        """
        with self._lock:
            known, writes = self._known, self._writes
        now = time.monotonic()
        if known is None or known[2] != writes or now - known[1] >= self._staleness_s:
            known = self._ask(), now, writes
            with self._lock:
                self._known = known
        return known[0]

    def _ask(self) -> dict[bytes, bytes]:
        sql = (
            f"SELECT name, argMax(value, _block_number) AS value FROM {ENTRIES} WHERE kind = '{self._kind}'"
            " GROUP BY name HAVING NOT argMax(is_removed, _block_number) FORMAT Native"
        )
        return {
            name: value
            for block in decode_blocks(self._wire.fetch(sql))
            for name, value in zip(block["name"], block["value"], strict=True)
        }

    def write(self, *entries: Entry) -> None:
        """Write *entries*, all of them or none, durably.

        Raises:
            EventWriteException: if that failed, or is not known.
        """
        names, values = zip(*entries, strict=True)
        columns = {
            "kind": ("String", encode_strings([self._kind.encode()] * len(names))),
            "name": ("String", encode_strings(names)),
            "value": ("String", encode_strings([value or b"" for value in values])),
            "is_removed": ("UInt8", bytes([value is None for value in values])),
        }
        sql = f"INSERT INTO {ENTRIES} ({', '.join(columns)}) FORMAT Native"
        # Without a token, replicas would take one that is equal to an earlier one for the same.
        settings = {"async_insert": "0", "insert_deduplication_token": str(uuid.uuid4())}
        try:
            self._wire.insert(
                sql, encode_block(len(names), columns), self._wire.timeout_s, **settings
            )
        finally:
            with self._lock:
                self._writes += 1
