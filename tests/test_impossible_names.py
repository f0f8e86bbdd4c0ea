"""A name that can be none, of a tag, a source or an id, is "Invalid argument", and the reason says how to write it."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import Event, InvalidEvent, NaiveEventStore
from theiafs.config import Settings
from theiafs.errors import FilesystemError, errno_of
from theiafs.names import NAME_SIZE_MAX, escape
from theiafs.operations import Operations

WRITTEN = {
    "%zz": "%25zz", "100%": "100%25", "a%2": "a%252", "a%2fb": "a%2Fb", "%77eb": "web", "%C3%A9": "é", "a\tb": "a%09b",
    "\x7f": "%7F", "%%": "%25%25", "a%%0": "a%25%250", "\udcff": "%FF",
}  # fmt: skip
"""Names as they are not written, and how they are."""


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Operations]:
    store = NaiveEventStore(str(tmp_path), 1e9)
    store.save(Event("1", "app", 1, ["web"], "x"))
    yield Operations(store, Settings(can_remove=True), lambda: None)
    store.close()


def refusal(operations: Operations, operation: str, *arguments: object) -> tuple[int, str]:
    """Return the errno and the message of an *operation* that fails."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the errno is what matters
        getattr(operations, operation)(*arguments)
    return errno_of(caught.value), str(caught.value)


@pytest.mark.parametrize(("name", "written"), WRITTEN.items())
def test_a_name_that_is_written_otherwise(operations: Operations, name: str, written: str) -> None:
    """Wherever a path says a tag, a source or an id, also as one of several, and whatever is asked of it."""
    for kind, above in [
        ("tag", "/by-tag"), ("tag", "/by-tag/web/not/by-tag"), ("source", "/by-source"), ("id", "/by-id")
    ]:  # fmt: skip
        path = f"{above}/{name}"
        number, message = refusal(operations, "getattr", path)
        assert number == errno.EINVAL, path
        assert f"no {kind} is written {name!r}: write {written!r}" in message
    requests: list[tuple[object, ...]] = [
        ("mkdir", f"/by-tag/{name}", 0),
        ("mkdir", f"/by-source/{name}", 0),
        ("open", f"/by-tag/{name}/ingest", 1, 1),
        ("open", f"/by-source/{name}/ingest.jsonl", 1, 1),
        ("getattr", f"/by-tag/web,{name}"),
        ("unlink", f"/by-id/{name}"),
        ("symlink", "/views/new", f"../by-tag/{name}/count"),
    ]
    for operation, *arguments in requests:
        number, message = refusal(operations, str(operation), *arguments)
        assert number == errno.EINVAL, (operation, arguments)
        assert repr(written) in message


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("tag", "%", "empty"),
        ("tag", "a%2Cb", "comma"),
        ("tag", "a%0Ab", "newline"),
        ("source", "a%0Ab", "newline"),
        ("id", "%0A", "newline"),
    ],
)
def test_a_name_of_what_no_event_can_have(
    operations: Operations, kind: str, name: str, reason: str
) -> None:
    """The store refuses the same ones."""
    path = f"/by-{kind}/{name}"
    number, message = refusal(operations, "getattr", path)
    assert number == errno.EINVAL
    assert reason in message
    if kind != "id":
        assert refusal(operations, "mkdir", path, 0) == (errno.EINVAL, message)


def test_what_could_be_there_is_not_found(operations: Operations) -> None:
    """A name that is only unknown stays "No such file or directory", and so do those that programs probe for."""
    for path in (
        "/by-tag/new", "/by-tag/%2Ex", "/by-tag/a%2Fb", "/by-tag/%FF", "/by-source/a%2Cb", "/by-source/%", "/by-id/%2E", "/by-id/é",
        "/by-tag/.git", "/by-tag/.x.swp", "/by-source/.hidden", "/by-id/.x", "/by-level/wrong", f"/by-tag/{escape('x' * 300)}",
    ):  # fmt: skip
        assert refusal(operations, "getattr", path)[0] == errno.ENOENT, path


@pytest.mark.parametrize("kind", ["by-tag", "by-source"])
@given(name=st.text(min_size=1, max_size=12) | st.sampled_from([*WRITTEN, ".x", "..x", "a,b"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mkdir_makes_that_name_or_says_why_not(
    operations: Operations, kind: str, name: str
) -> None:
    """The new directory is there by that name; a refusal is never "No such file or directory"."""
    if "/" in name or name in (".", ".."):
        return
    path = f"/{kind}/{name}"
    number = 0
    try:
        operations.mkdir(path, 0)
    except (FilesystemError, InvalidEvent) as error:
        number = errno_of(error)
    assert number in (0, errno.EINVAL, errno.EEXIST)
    if not number:
        assert any(name in names for names, _ in operations.readdir(f"/{kind}"))


@pytest.mark.parametrize("kind", ["by-tag", "by-source"])
def test_what_is_too_long_for_a_name_cannot_be_made(operations: Operations, kind: str) -> None:
    """Its cut name does not say what it is."""
    name = escape("x" * 300)
    number, message = refusal(operations, "mkdir", f"/{kind}/{name}", 0)
    assert number == errno.EINVAL
    assert "too long" in message
    longer = "x" * (NAME_SIZE_MAX + 1)
    assert refusal(operations, "mkdir", f"/{kind}/{longer}", 0)[0] == errno.ENAMETOOLONG


def test_a_view_that_can_mean_nothing(operations: Operations) -> None:
    """An invalid regular expression in its target is found when it is made."""
    for target in ("../match/(", "../by-tag/web/not/match/(", "../match/\udcff"):
        number, message = refusal(operations, "symlink", "/views/new", target)
        assert (number, "regular expression" in message) == (errno.EINVAL, True), target
    assert list(operations.readdir("/views"))[-1].names == []


def test_a_name_that_is_not_utf_8(operations: Operations) -> None:
    """It is a tag, a source or an id that is written wrongly; elsewhere, there is no such file."""
    for path in (b"/by-tag/\xff", b"/not/by-source/\xff", b"/by-id/\xff", b"/by-tag/web,\xff"):
        error = operations.why_undecodable(path)
        assert (errno_of(error), "'%FF'" in str(error)) == (errno.EINVAL, True), path
    for path in (
        b"/views/\xff",
        b"/match/\xff",
        b"/range/\xff",
        b"/\xff",
        b"/minutes/\xff",
        b"/by-tag/web/\xff",
        b"/by-tag/by-tag/\xff",
    ):
        assert errno_of(operations.why_undecodable(path)) == errno.ENOENT, path


@pytest.mark.parametrize(
    "path", [b"/by-tag/a\xff%zz", b"/by-tag/web/by-source/b\xff", b"/by-id/\xff"]
)
def test_the_error_log_shows_it(operations: Operations, path: bytes) -> None:
    """With a caret below what is wrong."""
    operations.note_refusal("mkdir", path, 1, operations.why_undecodable(path))
    number = operations.open("/errors", 0, 1).number
    line, caret = operations.read(number, 1 << 16, 0).decode().splitlines()
    assert line.index("\\xff") == caret.index("^")


@pytest.mark.parametrize("tag", ["", "a,b", "a\nb"])
def test_the_store_refuses_to_declare_it(tmp_path: Path, tag: str) -> None:
    """Its message is about the tag, and about no event."""
    store = NaiveEventStore(str(tmp_path), 1e9)
    with pytest.raises(InvalidEvent, match="no event can have the tag"):
        store.declare_tag(tag)
    store.close()
