"""An event store on plain text files, descended from that of the theia log aggregator."""

from store.api import Answer, EventStore
from store.backends import open_store, reindex, wait_until_closed
from store.batch import Batch
from store.check import Audit, Finding
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
from store.event import Event, EventParser, EventPreamble, EventSerializer, new_event_id
from store.minutes import DataFile, FileIndex, MemoryFile
from store.naive import NaiveEventStore
from store.query import Query, Span
from store.reader import SequentialEventReader
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
