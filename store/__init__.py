"""An event store on plain text files, descended from that of the theia log aggregator."""

from store.api import Answer, EventStore
from store.engine.check import Audit, Finding
from store.engine.naive import NaiveEventStore
from store.engine.opening import open_store, reindex, wait_until_closed
from store.errors import (
    EOFException,
    EventNotFound,
    EventReadException,
    EventStoreException,
    EventTooLarge,
    EventWriteException,
    InvalidEvent,
    InvalidQuery,
    MalformedEvent,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
)
from store.format.batch import Batch
from store.format.event import Event, EventParser, EventPreamble, EventSerializer, new_event_id
from store.format.reader import SequentialEventReader
from store.minutes.file import MemoryFile
from store.minutes.names import DataFile, FileIndex
from store.query import Query, Span
from store.timer import PeriodicTimer

__all__ = [
    "Answer",
    "Audit",
    "Batch",
    "DataFile",
    "EOFException",
    "Event",
    "EventNotFound",
    "EventParser",
    "EventPreamble",
    "EventReadException",
    "EventSerializer",
    "EventStore",
    "EventStoreException",
    "EventTooLarge",
    "EventWriteException",
    "FileIndex",
    "Finding",
    "InvalidEvent",
    "InvalidQuery",
    "MalformedEvent",
    "MemoryFile",
    "NaiveEventStore",
    "PeriodicTimer",
    "Query",
    "SequentialEventReader",
    "Span",
    "StoreFull",
    "StoreLocked",
    "StoreReadOnly",
    "new_event_id",
    "open_store",
    "reindex",
    "wait_until_closed",
]
