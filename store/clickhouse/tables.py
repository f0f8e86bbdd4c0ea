"""The names of the tables, and what differs where they are divided over shards."""

from dataclasses import dataclass

__all__ = ["ENTRIES", "EVENTS", "EVENT_ID", "Tables"]

EVENTS, ENTRIES = "events", "entries"

EVENT_ID = "substring(splitByChar('\\n', head)[2], 4)"
"""The id of an event, which has an index, in SQL. A regular expression would not match ids that are not UTF-8."""


@dataclass(frozen=True)
class Tables:
    """The tables that events are read from and written to.

    Attributes:
        events: the table of all events.
        is_replicated: whether several servers have all of it.
        cluster: the name of all shards together; empty for a single server.
        shard: the number of the shard that an event is on, in SQL.
        parts: the table of the parts of all tables, those of all shards.
        parts_shard: the number of the shard that a part is on, in SQL.
    """

    events: str = EVENTS
    shard: str = "0"
    parts: str = "system.parts"
    parts_shard: str = "0"
    cluster: str = ""
    is_replicated: bool = False

    @property
    def is_sharded(self) -> bool:
        """Whether there are several shards."""
        return bool(self.cluster)
