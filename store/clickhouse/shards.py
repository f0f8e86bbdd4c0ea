"""Shards: the events of one database on several servers, of which each has whole minutes.

A table in front of the others divides what is written, and asks all of them for what is read. A minute lies on one server, so
that it has one order of arrival; a server that is away is an error, never a shorter answer.
"""

from store.clickhouse.tables import EVENTS, Tables
from store.clickhouse.wire import Wire

__all__ = ["distribute", "sharded"]

_FRONT = "events_of_all_shards"
_SHARDING_KEY = "intDiv(ticks, 600000000)"


def sharded(cluster: str) -> Tables:
    """Return the tables of events that are on the shards of *cluster*."""
    return Tables(
        events=_FRONT,
        shard="_shard_num",
        parts=f"clusterAllReplicas('{cluster}', system.parts)",
        parts_shard="shardNum()",
        cluster=cluster,
    )


def distribute(wire: Wire, cluster: str) -> None:
    """Make the table in front of those on the shards of *cluster*, with the columns that these have now.

    Raises:
        EventWriteException: if that failed.
    """
    wire.execute(
        f"CREATE OR REPLACE TABLE {_FRONT} AS {EVENTS}"
        f" ENGINE = Distributed('{cluster}', currentDatabase(), '{EVENTS}', {_SHARDING_KEY})"
    )
