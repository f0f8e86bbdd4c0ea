"""An event store on plain text files, descended from that of the theia log aggregator.

A written byte goes down::

    bytes -> format.block, format.scan   records of a write, as columns: format.batch
          -> engine.naive                divided by minute: engine.partition
          -> wal.log                     one append; save() returns after it            write-ahead log
          -> engine.state                entries, streams, catalog, order of arrival    memory
          -> engine.flusher              replaces minute files, k + 1 fsyncs for k      minute files
          -> index.database              what is in them, so that they need no reading  SQLite

Another engine than these files has a package of its own next to store.engine, and a line in store.opening. The filesystem knows
store.api, and addresses by store.backend.

A path comes as a query and goes up::

    query -> engine.reading              the answer, its size and its names
          -> answers.version             which minutes, how far, in which order of arrival: immutable
          -> index.streams               posting lists: from tags to streams to minutes
          -> answers.answer              extents, looked up as far as they are read
          -> index.minute, .database     where the entries of a minute lie
          -> minutes.file, wal.tail      bytes: from the file, and after them from the log

What is derived from what: the minute files and the log are the truth. The entries of a minute follow from its bytes; the
summaries, streams and catalog from entries; the index keeps all three for files whose stamp (size, mtime, ctime, inode)
is the one it knows. The levels of events, the sizes of lines and the filters of texts are worked out when they are asked for,
and belong to the checksums of files. The order of arrival and open answers last as long as the process.

A backup (engine.backup) reads a store that any process may be writing: the log first (wal.unflushed), and then the minute files,
each of which gets what it lacks.

One object, engine.state.State, owns what is known of the minutes; what others do to the files reaches it through
engine.watcher (inotify, or passes of stat), what is flushed through engine.flusher, and queries through engine.reading.

Locks (store.locks), outermost first, and what they are for:

    views        one change of the saved views at a time
    declared     one change of the declared tags, or sources, at a time
    flush        one flush, one check for changed files, one removal at a time; files are read and synced under it
    append       one append at a time; held by all that change the state              short
    state        catalog, streams, order of arrival; readers hold it to look up       short
    log-sync     one fsync of the log serves all that wait
    log          the segments of the log and their end                                short
    file         one minute file: how far it is flushed, and where its tail is        short
    index        one statement of SQLite at a time; shared-index: the same for another process's index

Under a short lock there is no fsync, no reading of a file, and no loop over the store but those of numpy over columns,
which take a millisecond for a hundred thousand streams or minutes.

theia's own classes, which only users of its API call, are in store.theia.
"""

from store.api import EventStore
from store.backend import Backend, Opening
from store.disk.lock import Turn
from store.engine.backup import Backup
from store.engine.check import Audit, Defect, Finding
from store.engine.maintenance import reindex, remove_minute_files
from store.engine.naive import NaiveEventStore
from store.errors import (
    EOFException,
    EventNotFound,
    EventReadException,
    EventStoreException,
    EventTooLarge,
    EventWriteException,
    InvalidEvent,
    InvalidPattern,
    InvalidQuery,
    MalformedEvent,
    MinuteGone,
    MinuteNotFound,
    NameInUse,
    NotForThisStore,
    ReaderGone,
    StoreAway,
    StoreFull,
    StoreLocked,
    StoreNotFound,
    StoreReadOnly,
    ViewExists,
    ViewNotFound,
    WorkerEnded,
    WriteUnknown,
)
from store.format.batch import Batch
from store.format.event import Event, new_event_id
from store.interruption import is_reader_gone
from store.matching.pattern import Pattern, compile_pattern
from store.opening import backend_of, open_store
from store.query import (
    AtLevel,
    During,
    Filter,
    FromSource,
    HasTag,
    Matches,
    Not,
    Query,
    Span,
    Stream,
    Untagged,
)
from store.snapshot import Answer, Changes, Minutes, Snapshot
from store.theia import (
    DataFile,
    EventParser,
    EventPreamble,
    EventSerializer,
    FileIndex,
    MemoryFile,
    SequentialEventReader,
)
from store.ticks import TICKS_MAX, TICKS_PER_S, in_decimal
from store.timer import PeriodicTimer
from store.view import View
from store.workers import Workers, cores

__all__ = [
    "TICKS_MAX",
    "TICKS_PER_S",
    "Answer",
    "AtLevel",
    "Audit",
    "Backend",
    "Backup",
    "Batch",
    "Changes",
    "DataFile",
    "Defect",
    "During",
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
    "Filter",
    "Finding",
    "FromSource",
    "HasTag",
    "InvalidEvent",
    "InvalidPattern",
    "InvalidQuery",
    "MalformedEvent",
    "Matches",
    "MemoryFile",
    "MinuteGone",
    "MinuteNotFound",
    "Minutes",
    "NaiveEventStore",
    "NameInUse",
    "Not",
    "NotForThisStore",
    "Opening",
    "Pattern",
    "PeriodicTimer",
    "Query",
    "ReaderGone",
    "SequentialEventReader",
    "Snapshot",
    "Span",
    "StoreAway",
    "StoreFull",
    "StoreLocked",
    "StoreNotFound",
    "StoreReadOnly",
    "Stream",
    "Turn",
    "Untagged",
    "View",
    "ViewExists",
    "ViewNotFound",
    "WorkerEnded",
    "Workers",
    "WriteUnknown",
    "backend_of",
    "compile_pattern",
    "cores",
    "in_decimal",
    "is_reader_gone",
    "new_event_id",
    "open_store",
    "reindex",
    "remove_minute_files",
]
