"""The exceptions of the event store.

One family, so that a caller can handle as much or as little of it as it needs. The names that do not
end in an adjective come from the theia log aggregator, whose store this one descends from.
"""

__all__ = [
    "DiskUnreadable",
    "EOFException",
    "EventNotFound",
    "EventReadException",
    "EventStoreException",
    "EventTooLarge",
    "EventWriteException",
    "FileChanged",
    "InvalidEvent",
    "InvalidPattern",
    "InvalidQuery",
    "MalformedEvent",
    "MinuteGone",
    "MinuteNotFound",
    "NotForThisStore",
    "ReaderGone",
    "StoreAway",
    "StoreFull",
    "StoreLocked",
    "StoreNotFound",
    "StoreReadOnly",
    "ViewExists",
    "ViewNotFound",
    "WorkerEnded",
    "WriteUnknown",
]


class EventStoreException(Exception):
    """Something went wrong in an event store."""


class InvalidQuery(EventStoreException):
    """The query is invalid: an unknown order, a pattern that does not compile, or a name that no saved view can have."""


class InvalidPattern(InvalidQuery):
    """The regular expression is invalid, or needs too much memory.

    Attributes:
        position: where in its text it is wrong, in characters; None where that is not known.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class ReaderGone(EventStoreException):
    """The reader went away, and waits for no answer; see :data:`store.interruption.is_reader_gone`."""


class NotForThisStore(EventStoreException):
    """A store of this kind has nothing of what was asked for."""


class StoreLocked(EventStoreException):
    """Another process holds the store for writing."""


class EventWriteException(EventStoreException):
    """An event could not be written."""


class FileChanged(EventWriteException):
    """Another program removed, replaced or changed a file that was to be replaced."""


class InvalidEvent(EventWriteException):
    """The event itself cannot be stored, whatever the state of the store."""


class EventTooLarge(InvalidEvent):
    """The event is larger than the limit that was set."""


class StoreFull(EventWriteException):
    """The disk (or the quota) under the store has no room left."""


class StoreReadOnly(EventWriteException):
    """The store is one that another process writes; it is only read here."""


class StoreAway(EventWriteException):
    """The engine of the store could not be reached in time; nothing was written."""


class WriteUnknown(EventWriteException):
    """The engine of the store did not say in time whether it has written; it has written all, or nothing."""


class ViewExists(EventWriteException):
    """A saved view of this name exists already."""


class NameInUse(EventWriteException):
    """A declared tag or source is not to be taken back, because events have it."""


class EventReadException(EventStoreException):
    """An event could not be read."""


class WorkerEnded(EventReadException):
    """A process that does a part of the work cannot be started, or has ended."""


class DiskUnreadable(EventReadException):
    """The system refuses to read a file, for a reason that is no change of the file by another program."""


class MinuteGone(EventReadException):
    """Another program removed or replaced a minute."""


class EventNotFound(EventReadException):
    """No event has this id."""


class StoreNotFound(EventReadException):
    """There is no store at this address."""


class MinuteNotFound(EventReadException):
    """There is no minute of this name."""


class ViewNotFound(EventReadException):
    """No saved view has this name."""


class MalformedEvent(EventReadException):
    """Bytes that should be an event are not: truncated, or not in the format."""


class EOFException(EventReadException):
    """The stream ended where the next event would begin."""
