"""The tables, and the migrations that made them what they are.

Each migration runs once in a database; ``migrations`` says which did. All statements can be repeated, so that two processes
which prepare one database at the same time do no harm. In a database with the engine ``Replicated``, which passes statements on to
its servers, the tables are replicated too.
"""

from collections.abc import Sequence

from store.clickhouse.columns import view_column
from store.clickhouse.tables import EVENT_ID, EVENTS
from store.clickhouse.wire import Refused, Wire
from store.errors import EventStoreException, StoreNotFound
from store.view import View

__all__ = ["are_replicated", "prepare"]

_NOT_THERE = frozenset({60, 81})
"""The engine's numbers of the errors UNKNOWN_TABLE, UNKNOWN_DATABASE."""

_REPLICATED = "Replicated"
"""What the names of the engines of replicated databases and tables begin with."""

_ENGINE = "MergeTree"

_ONE_PARTITION = "tuple()"

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
ENGINE = {{engine}}MergeTree
-- By arrival, not by time: an INSERT is one part, whatever times its events have, and retention drops whole parts. Replicas number
-- blocks by partition, and one order needs one partition.
PARTITION BY {{partition}}
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
ENGINE = {engine}ReplacingMergeTree
ORDER BY (kind, name)
SETTINGS enable_block_number_column = 1, fsync_after_insert = 1, fsync_part_directory = 1
"""

_MIGRATIONS_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (number UInt32, applied DateTime DEFAULT now()) ENGINE = {engine}MergeTree ORDER BY number
"""

_INSERT_HASH = """
ALTER TABLE events
    -- The INSERT it came with, as a hash of its token; 0 for those stored before there was this column.
    ADD COLUMN IF NOT EXISTS insert_hash UInt64 CODEC(Delta, ZSTD(1))
"""

_BY_STREAM = (
    # The names of tags and sources, which are asked for on every path, are in a row of it for each stream.
    """
    ALTER TABLE events
        ADD PROJECTION IF NOT EXISTS by_stream (SELECT source, tags, count() GROUP BY source, tags)
    """,
    "ALTER TABLE events MATERIALIZE PROJECTION IF EXISTS by_stream",
)

_MIGRATIONS: tuple[tuple[str, ...], ...] = ((_EVENTS, _ENTRIES), (_INSERT_HASH,), _BY_STREAM)
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
        is_replicated = _is_replicated_database(wire)
        # Asked first: in a replicated database, a statement waits for all servers.
        if not int(wire.fetch("EXISTS TABLE migrations")):
            _define(wire, _for_engine(_MIGRATIONS_TABLE, is_replicated))
    applied = _applied(wire)
    if applied > len(_MIGRATIONS):
        raise EventStoreException(
            f"{wire.address} has tables of a newer release (number {applied}, known are {len(_MIGRATIONS)}): install that"
        )
    if not is_read_only:
        for number, statements in enumerate(_MIGRATIONS[applied:], applied + 1):
            for statement in statements:
                _define(wire, _for_engine(statement, is_replicated))
            wire.execute(f"INSERT INTO migrations (number) VALUES ({number})")
        for column in set(map(view_column, views)) - _columns(wire):
            _add_view(wire, column)
        if ttl_days:
            _define(
                wire,
                f"ALTER TABLE {EVENTS} MODIFY TTL toDateTime(arrived) + INTERVAL {ttl_days} DAY",
            )
    columns = _columns(wire)
    return [view for view in views if view_column(view) in columns]


def are_replicated(wire: Wire) -> bool:
    """Return whether the tables are replicated.

    Raises:
        EventStoreException: if their engine is one that this release does not know.
    """
    sql = f"SELECT engine, partition_key FROM system.tables WHERE database = currentDatabase() AND name = '{EVENTS}'"
    engine, partition = wire.fetch(sql).decode().rstrip("\n").split("\t")
    if engine not in (_ENGINE, _REPLICATED + _ENGINE):
        raise EventStoreException(
            f"{wire.address} keeps events by {engine}, and in which order they arrive there is not known here: use a database with"
            f" the engine Atomic or {_REPLICATED}"
        )
    if engine != _ENGINE and partition not in ("", _ONE_PARTITION):
        raise EventStoreException(
            f"{wire.address} has replicas, and divides events by {partition}, so that their blocks have no common order: copy them into a"
            f" new database with the engine {_REPLICATED} (theiafs copy)"
        )
    return engine.startswith(_REPLICATED)


def _is_replicated_database(wire: Wire) -> bool:
    sql = "SELECT engine FROM system.databases WHERE name = currentDatabase()"
    return wire.fetch(sql).decode().strip() == _REPLICATED


def _define(wire: Wire, statement: str) -> None:
    """Execute *statement*, which defines something; in a replicated database, wait for those of its servers that are there."""
    wire.execute(statement, distributed_ddl_output_mode="none_only_active")


def _for_engine(statement: str, is_replicated: bool) -> str:
    """Return *statement* with the engine of tables that are replicated or not."""
    if is_replicated:
        return statement.format(engine=_REPLICATED, partition=_ONE_PARTITION)
    return statement.format(engine="", partition="toYYYYMMDD(arrived)")


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
    _define(wire, f"ALTER TABLE {EVENTS} ADD COLUMN IF NOT EXISTS {column} UInt32")
    sums = f"count(), sum({column}), countIf({column} = 0), max(ticks), max(arrived)"
    _define(
        wire,
        f"ALTER TABLE {EVENTS} ADD PROJECTION IF NOT EXISTS {column}_by_tags"
        f" (SELECT minute, tags, {sums} GROUP BY minute, tags)",
    )
