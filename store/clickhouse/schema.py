"""The tables, and the migrations that made them what they are.

Each migration runs once in a database; ``migrations`` says which did. All statements can be repeated, so that two processes
which prepare one database at the same time do no harm.
"""

from collections.abc import Sequence

from store.clickhouse.columns import view_column
from store.clickhouse.tables import EVENT_ID, EVENTS
from store.clickhouse.wire import Refused, Wire
from store.errors import EventStoreException, StoreNotFound
from store.view import View

__all__ = ["prepare"]

_NOT_THERE = frozenset({60, 81})
"""The engine's numbers of the errors UNKNOWN_TABLE, UNKNOWN_DATABASE."""

_EVENTS = f"""
CREATE TABLE IF NOT EXISTS events (
    -- When the engine stored the event: the same for all of an INSERT.
    arrived DateTime64(9, 'UTC') DEFAULT now64(9) CODEC(Delta, ZSTD(1)),
    -- Its time, in units of 100 ns since the epoch, and the start of its minute, in seconds.
    ticks Int64 CODEC(Delta, ZSTD(1)),
    minute Int64 MATERIALIZED intDiv(ticks, 600000000) * 60 CODEC(Delta, ZSTD(1)),
    -- Its place in the INSERT. The engine's own _block_offset counts after sorting.
    n UInt32 CODEC(Delta, ZSTD(1)),
    source LowCardinality(String),
    tags Array(LowCardinality(String)),
    -- From 1, emerg, to 9, trace; 0 for none: as the rules were that held when it was stored.
    level UInt8,
    -- A record is head, content, and an empty line.
    head String CODEC(ZSTD(1)),
    content String CODEC(ZSTD(1)),
    size UInt32 MATERIALIZED length(head) + length(content) + 2,
    INDEX ids {EVENT_ID} TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX tag_sets tags TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX times ticks TYPE minmax GRANULARITY 1,
    -- In the part itself, so that it is exact: stored, removed and repeated with its rows.
    PROJECTION by_tags (SELECT minute, tags, count(), sum(size), max(ticks), max(arrived) GROUP BY minute, tags),
    PROJECTION by_source (
        SELECT minute, source, level, count(), sum(size), max(ticks), max(arrived) GROUP BY minute, source, level
    )
)
ENGINE = MergeTree
-- By arrival, not by time: an INSERT is one part, whatever times its events have, and retention drops whole parts.
PARTITION BY toYYYYMMDD(arrived)
ORDER BY (minute, source, tags)
SETTINGS
    index_granularity = 1024,
    enable_block_number_column = 1,
    add_minmax_index_for_block_number_column = 1,
    -- How many INSERTs back a repeated one is recognised.
    non_replicated_deduplication_window = 10000,
    deduplicate_merge_projection_mode = 'rebuild',
    lightweight_mutation_projection_mode = 'rebuild',
    ttl_only_drop_parts = 1,
    fsync_after_insert = 1,
    fsync_part_directory = 1
"""

_ENTRIES = """
CREATE TABLE IF NOT EXISTS entries (
    kind LowCardinality(String),
    name String,
    value String,
    is_removed UInt8
)
-- Of the rows with one name, merges keep the last.
ENGINE = ReplacingMergeTree
ORDER BY (kind, name)
SETTINGS enable_block_number_column = 1, fsync_after_insert = 1, fsync_part_directory = 1
"""

_INSERT_HASH = """
ALTER TABLE events
    -- The INSERT it came with, as a hash of its token; 0 for those stored before there was this column.
    ADD COLUMN IF NOT EXISTS insert_hash UInt64 CODEC(Delta, ZSTD(1))
"""

_MIGRATIONS: tuple[tuple[str, ...], ...] = ((_EVENTS, _ENTRIES), (_INSERT_HASH,))
"""The statements of each migration, the first of which is number 1; those that were released never change."""


def prepare(wire: Wire, views: Sequence[View], ttl_days: int, is_read_only: bool) -> list[View]:
    """Bring the tables up to date.

    Args:
        wire: the engine.
        views: the views whose lines are to be measured when events are stored.
        ttl_days: how long events are kept, in days; 0 leaves that as it is.
        is_read_only: whether nothing may be changed.

    Returns:
        Those of *views* that the tables have sizes for.

    Raises:
        StoreNotFound: if there are no tables, and nothing may be changed.
        EventStoreException: if that failed, or a newer release made them.
    """
    if not is_read_only:
        wire.execute(f"CREATE DATABASE IF NOT EXISTS `{wire.address.database}`", database="")
        wire.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number UInt32, applied DateTime DEFAULT now())"
            " ENGINE = MergeTree ORDER BY number"
        )
    applied = _applied(wire)
    if applied > len(_MIGRATIONS):
        raise EventStoreException(
            f"{wire.address} has tables of a newer release (number {applied}, known are {len(_MIGRATIONS)}): install that"
        )
    if not is_read_only:
        for number, statements in enumerate(_MIGRATIONS[applied:], applied + 1):
            for statement in statements:
                wire.execute(statement)
            wire.execute(f"INSERT INTO migrations (number) VALUES ({number})")
        for column in set(map(view_column, views)) - _columns(wire):
            _add_view(wire, column)
        if ttl_days:
            wire.execute(
                f"ALTER TABLE {EVENTS} MODIFY TTL toDateTime(arrived) + INTERVAL {ttl_days} DAY"
            )
    columns = _columns(wire)
    return [view for view in views if view_column(view) in columns]


def _applied(wire: Wire) -> int:
    """Return the number of the last migration.

    Raises:
        StoreNotFound: if there was none.
    """
    try:
        return int(wire.fetch("SELECT max(number) FROM migrations"))
    except Refused as error:
        if error.code in _NOT_THERE:
            raise StoreNotFound(
                f"{wire.address} has no events: mount it without -o ro to make it"
            ) from error
        raise


def _columns(wire: Wire) -> set[str]:
    sql = (
        f"SELECT name FROM system.columns WHERE database = currentDatabase() AND table = '{EVENTS}'"
    )
    return set(wire.fetch(sql).decode().split())


def _add_view(wire: Wire, column: str) -> None:
    """Add *column*, for the sizes of lines: 0, not measured, for events that are there, and for those of processes that do not know it."""
    wire.execute(f"ALTER TABLE {EVENTS} ADD COLUMN IF NOT EXISTS {column} UInt32")
    sums = f"count(), sum({column}), countIf({column} = 0), max(ticks), max(arrived)"
    wire.execute(
        f"ALTER TABLE {EVENTS} ADD PROJECTION IF NOT EXISTS {column}_by_tags"
        f" (SELECT minute, tags, {sums} GROUP BY minute, tags)"
    )
