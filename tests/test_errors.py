"""One table maps exceptions to the errno that programs get."""

import errno
import inspect
import logging
from pathlib import Path

import pytest

import store
from store import NaiveEventStore
from theiafs import errors
from theiafs.config import Settings
from theiafs.errors import errno_of
from theiafs.operations import Operations
from theiafs.session import _report

EXPECTED = {
    store.EventNotFound: errno.ENOENT,
    store.MinuteNotFound: errno.ENOENT,
    store.MinuteGone: errno.ESTALE,
    store.ViewNotFound: errno.ENOENT,
    store.NameInUse: errno.ENOTEMPTY,
    store.ViewExists: errno.EEXIST,
    store.EventTooLarge: errno.EMSGSIZE,
    store.InvalidEvent: errno.EINVAL,
    store.InvalidPattern: errno.EINVAL,
    store.InvalidQuery: errno.EINVAL,
    store.ReaderGone: errno.EINTR,
    store.StoreFull: errno.ENOSPC,
    store.StoreLocked: errno.EBUSY,
    store.StoreReadOnly: errno.EROFS,
    store.StoreAway: errno.EAGAIN,
    store.WriteUnknown: errno.ETIMEDOUT,
    store.EventStoreException: errno.EIO,
    store.EventReadException: errno.EIO,
    store.EventWriteException: errno.EIO,
    store.MalformedEvent: errno.EIO,
    store.errors.DiskUnreadable: errno.EIO,
    store.errors.FileChanged: errno.EIO,
    store.EOFException: errno.EIO,
    errors.NotFound: errno.ENOENT,
    errors.InvalidName: errno.EINVAL,
    errors.NameTooLong: errno.ENAMETOOLONG,
    errors.AlreadyThere: errno.EEXIST,
    errors.NotPermitted: errno.EPERM,
    errors.FilesystemError: errno.EIO,
    errors.ImportFailed: errno.EIO,
    errors.MountError: errno.EIO,
    store.NotForThisStore: errno.EIO,
    store.WorkerEnded: errno.EIO,
    store.StoreNotFound: errno.EIO,
}


def test_every_exception_has_its_errno() -> None:
    """Each exception of the store and of the filesystem has an entry, or is listed as EIO."""
    for module in (store, store.errors, errors):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, Exception):
                assert errno_of(kind("text")) == EXPECTED[kind], kind


@pytest.mark.parametrize(
    "error",
    [KeyError(1), OSError("text only"), OSError(errno.ENOENT, "elsewhere"), AssertionError()],
)
def test_an_unexpected_error(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """It becomes EIO, even if it carries another errno, and the log has its traceback."""
    with caplog.at_level(logging.ERROR):
        assert _report("read", error) == errno.EIO
    assert type(error).__name__ in caplog.text


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    """The tree has no such names."""
    opened = NaiveEventStore(str(tmp_path), 1e9)
    failure = Operations(opened, Settings(), lambda: None).why_undecodable(b"/\xff")
    assert _report("getattr", failure) == errno.ENOENT
    opened.close()


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("getattr", ("/nothing",), errno.ENOENT),
        ("getattr", ("/range/x",), errno.EINVAL),
        ("readlink", ("/README",), errno.EPERM),
        ("readdir", ("/README",), errno.EPERM),
        ("truncate", ("/README", 0), errno.EPERM),
        ("chmod", ("/minutes", 0), errno.EPERM),
        ("chown", ("/README", 0, 0), errno.EPERM),
        ("utimens", ("/README",), errno.EPERM),
        ("create", ("/new", 0), errno.EPERM),
        ("mknod", ("/new", 0, 0), errno.EPERM),
        ("mkdir", ("/new", 0), errno.EPERM),
        ("symlink", ("/new", "x"), errno.EPERM),
        ("link", ("/new", "x"), errno.EPERM),
        ("unlink", ("/README",), errno.EPERM),
        ("rmdir", ("/minutes",), errno.EPERM),
        ("rmdir", ("/by-tag/none",), errno.ENOENT),
        ("rmdir", ("/by-tag",), errno.EPERM),
        ("rmdir", ("/by-level/error",), errno.EPERM),
        ("rmdir", ("/README",), errno.EPERM),
        ("rename", ("/README", "/new"), errno.EPERM),
        ("mkdir", ("/by-tag/a,b", 0), errno.EINVAL),
        ("mkdir", ("/by-tag/" + "x" * 256, 0), errno.ENAMETOOLONG),
    ],
)
def test_operations_refuse(
    operation: str, arguments: tuple[object, ...], expected: int, tmp_path: Path
) -> None:
    """Operations that fail raise an exception of the table."""
    opened = NaiveEventStore(str(tmp_path), 1e9)
    operations = Operations(opened, Settings(), lambda: None)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the errno is what matters
        list(getattr(operations, operation)(*arguments) or ())
    assert errno_of(caught.value) == expected
    opened.close()
