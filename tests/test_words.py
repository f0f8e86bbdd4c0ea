"""Messages say what happened, to which path, and what to do: a table of all that the sources have is read by these rules.

A message is what an exception is made with, is logged, or printed to stderr. In the table, ``{}`` stands for what is filled in.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import store
from theiafs import errors

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for top in ("store", "theiafs") for path in (ROOT / top).rglob("*.py"))

LOGGED = {"debug", "info", "warning", "error", "exception"}
OF_USERS = {
    "FilesystemError", "InvalidName", "NameTooLong", "AlreadyThere", "NotPermitted", "MountError", "ImportFailed", "InvalidEvent",
    "EventTooLarge", "StoreLocked", "StoreReadOnly", "InvalidQuery",
}  # fmt: skip
"""The exceptions for requests and commands that were wrong: their users read the messages, and can do something about it."""

IN_ERRORS = OF_USERS - {"MountError", "ImportFailed", "StoreLocked", "StoreReadOnly"}
"""Those whose messages stand in the file errors, in lines that name the path."""

ADVICE = re.compile(
    r"\b(advice|append|choose|close|declare|enter|give|import|install|leave|list|load|make|mkdir|mount|move|must be|mv|name|open|put|read|remove|"
    r"rename|see|send|set|start|theiafs \w+|there are|try|umount|unmount|use|wait|write|findmnt|fuser|modprobe|chmod)\b"
)
"""The words that begin what to do."""

PARTS = {
    # Other messages, to which what to do belongs.
    "{}", "{}{}{}", "{}; {}", "{}: {}", "{}: {}: {}", "the mount process ended", "theiafs: {}", "mount.theiafs: {}",
    # What the system says of a file that was given.
    "cannot {} {}: {}",
    # Of a record: the reason of "not a record", or of damage. Events of programs, by which they are saved: of the field, and not of a path.
    "event {}: a timestamp of {} ticks, beyond {}", "event {}: the {} {} {}", "event {}: the tag {} {}",
    "text that cannot be encoded as {}: {}", "a time that cannot be stored: {}",
    "a view cannot be called {}", "not a regular expression: {}: {}",
    # The next part says it.
    "--source or --tag: {}", "{} holds {}", "{} was removed while it was locked", "not UTF-8", "no such file",
}  # fmt: skip
"""Messages that another one is made of."""


ABOUT_ALL = {
    "option 'remount': to change options, unmount, and mount again with the new ones",
    "minutes were removed before they were read; open the file again",
    "the index contradicts the minutes; theiafs reindex rebuilds it",
    "the index contradicts itself: adding up the lines of all minutes",
    "not using rows of the index: sums of lines that cannot be",
    "theiafs: interrupted; what was saved stays: import again to go on",
    "its reader has gone away",
    "not UTF-8",
    "the stream ends where the next event would begin",
    "an event whose content does not end where its first line says",
}
"""Messages about a whole store or stream, which has no other name there."""


class Message(NamedTuple):
    """A message in the sources: where it is, what it is given to, and its text."""

    place: str
    user: str
    text: str


def text_in(node: ast.expr) -> str | None:
    """Return the text that *node* makes; None if it makes none."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.FormattedValue(ast.Name(name)) if "advice" in name.lower():
            return "{advice}"
        case ast.JoinedStr(parts):
            return "".join(text_in(part) or "{}" for part in parts)
        case ast.BinOp(left, ast.Add(), right):
            return f"{text_in(left) or '{}'}{text_in(right) or '{}'}"
    return None


def exceptions() -> set[str]:
    """Return the names of all exceptions of the store and the filesystem."""
    return {
        name
        for module in (store, store.errors, errors)
        for name, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Exception)
    }


def messages_in(path: Path, names: set[str]) -> Iterator[Message]:
    """Yield the messages in the source at *path*, where *names* are those of exceptions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = ast.unparse(node.func)
        name = called.rpartition(".")[2]
        to_stderr = called == "print" and any(
            word.arg == "file" and ast.unparse(word.value) == "sys.stderr" for word in node.keywords
        )
        is_logged = called.startswith("log.") and name in LOGGED
        text = text_in(node.args[0])
        if text is not None and (name in names or is_logged or to_stderr):
            place = f"{path.relative_to(ROOT)}:{node.lineno}"
            yield Message(place, "log" if is_logged else name, re.sub(r"%(\w|\.\d+f)", "{}", text))


NAMES = exceptions()
TABLE = [message for path in SOURCES for message in messages_in(path, NAMES)]


def test_the_table_has_all_of_them() -> None:
    """Those of each room, and of every exception that the filesystem raises."""
    assert len(TABLE) > 150
    assert {"print", "log", *OF_USERS} - {"FilesystemError", "InvalidQuery"} <= {
        each.user for each in TABLE
    }


@pytest.mark.parametrize("message", TABLE, ids=lambda message: message.place)
def test_it_is_one_plain_line(message: Message) -> None:
    """It begins in lower case or with a name, ends without a full stop, and blames no user."""
    text = message.text
    assert "\n" not in text
    assert not text[:1].isupper()
    assert not text.endswith((".", "!", " ", ":"))
    assert not re.search(
        r"(?i)\b(oops|sorry|please|illegal|bad input|fatal|aborted|something|failed to)\b", text
    )


@pytest.mark.parametrize(
    "message",
    [each for each in TABLE if each.user not in IN_ERRORS],
    ids=lambda message: message.place,
)
def test_it_says_what_it_is_about(message: Message) -> None:
    """A file, a minute, a name, or the error that says so."""
    assert "{}" in message.text or message.text in ABOUT_ALL, message


@pytest.mark.parametrize(
    "message",
    [each for each in TABLE if each.user in OF_USERS or each.user == "print"],
    ids=lambda message: message.place,
)
def test_it_says_what_to_do(message: Message) -> None:
    """A wrong request or command leads to the right one."""
    assert message.text in PARTS or ADVICE.search(message.text), message
