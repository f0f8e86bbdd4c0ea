"""Index rows: minutes as the index keeps them, as far as their entries are in their files."""

import logging

from store.answers.version import Minute
from store.errors import EventReadException
from store.index.row import MinuteRow
from store.index.rows import IndexRow
from store.index.summary import summarize

__all__ = ["index_row"]

log = logging.getLogger(__name__)


def index_row(minute: Minute, row: MinuteRow, stream_count: int) -> IndexRow | None:
    """Return *minute* as the index keeps it; None if that is not possible now.

    Args:
        minute: the minute.
        row: its row in the catalog.
        stream_count: the number of streams.
    """
    entries = minute.entries
    if minute.file.stored_size != row.size:
        return None  # another program appended to the file; a flush will replace it
    try:
        count = entries.position_at(row.size)
        columns, packed = entries.columns(0, count), entries.pack(count, row.checksum)
    except EventReadException as error:
        log.info("not saved in the index: %s", error)
        return None
    span = row.start, row.end
    row = MinuteRow.of(row.id, span, row.stamp, row.checksum, columns, row.changed)
    if row.bytes != row.size:
        return None  # it was truncated during the scan
    return IndexRow(row, summarize(columns, stream_count), packed)
