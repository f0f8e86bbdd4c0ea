"""The tables, and the migrations that made them what they are.

Each migration runs once in a database; ``migrations`` says which did. All statements can be repeated, so that two processes
which prepare one database at the same time do no harm.
"""

from collections.abc import Sequence

from store.clickhouse.columns import view_column
from store.clickhouse.tables import EVENT_ID
from store.clickhouse.wire import Wire
from store.errors import EventStoreException
from store.view import View

__all__ = ["prepare"]

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

_MIGRATIONS: tuple[tuple[str, ...], ...] = ((_EVENTS, _ENTRIES),)
"""The statements of each migration, the first of which is number 1; those that were released never change."""


def prepare(wire: Wire, views: Sequence[View], ttl_days: int, is_read_only: bool) -> None:
    """Bring the tables up to date.

    Args:
        wire: the engine.
        views: the views whose lines are measured when events are stored.
        ttl_days: how long events are kept, in days; 0 for ever.
        is_read_only: whether nothing may be changed: the tables have to be up to date.

    Raises:
        EventStoreException: if that failed, or they were made by a newer release.
    """
    database = wire.address.database
    if not is_read_only:
        wire.execute(f"CREATE DATABASE IF NOT EXISTS `{database}`", database="")
        wire.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number UInt32, applied DateTime DEFAULT now())"
            " ENGINE = MergeTree ORDER BY number"
        )
    applied = int(wire.fetch("SELECT max(number) FROM migrations"))
    if applied > len(_MIGRATIONS):
        raise EventStoreException(
            f"{wire.address} has tables of a newer release (number {applied}, known are {len(_MIGRATIONS)}): update theiafs"
        )
    if is_read_only:
        return
    for number, statements in enumerate(_MIGRATIONS[applied:], applied + 1):
        for statement in statements:
            wire.execute(statement)
        wire.execute(f"INSERT INTO migrations (number) VALUES ({number})")
    known = wire.fetch(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'events'"
    )
    for column in map(view_column, views):
        if column.encode() not in known.split(b"\n"):
            # Lines of events that are there already, and of processes that do not know the view, have the size 0: not measured.
            wire.execute(f"ALTER TABLE events ADD COLUMN IF NOT EXISTS {column} UInt32")
            sums = f"count(), sum({column}), countIf({column} = 0), max(ticks), max(arrived)"
            wire.execute(
                f"ALTER TABLE events ADD PROJECTION IF NOT EXISTS {column}_by_tags"
                f" (SELECT minute, tags, {sums} GROUP BY minute, tags)"
            )
    if ttl_days:
        wire.execute(f"ALTER TABLE events MODIFY TTL toDateTime(arrived) + INTERVAL {ttl_days} DAY")
