"""No line can be forged, whatever comes in through any door: an event is one line, and so is an error."""

import contextlib
import ctypes
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from store import Event, InvalidEvent, NaiveEventStore
from tests.mount.conftest import Mount
from tests.renderings import check_line, encode_record
from tests.waiting import eventually
from theiafs.names import escape

WHEN = 17_954_289_001_234_567
PR_SET_NAME = 15
COMM_SIZE_MAX = 15

ENDS = [
    b"\n", b"\r", b"\r\n", b"\v", b"\f", b"\x1c", b"\x1d", b"\x1e", b"\x00", b"\x1bE", b"\x1b[2J\x1b[H", b"\x9b1E", b"\x08\x08\x08",
    "\u0085".encode(), "\u2028".encode(), "\u2029".encode(), "\u202e".encode(), b"\xe2\x80", b"\xff\n", b"\t",
]  # fmt: skip
"""What may end a line, or a part of one, for some program."""

FORGED = [
    b"2026-11-23T10:15:00.123456Z bank [money] forged",
    b'{"timestamp":"2026-11-23T10:15:00.1234560Z","id":"forged","source":"bank","tags":[],"level":null,"message":""}',
    b"2026-11-26T05:50:44.957427Z bank[1] open /forged EPERM: forged",
    b"999999\tforged",
    b"999999\t2026-11-23T10:15:00.123456Z\tforged",
    b"events: 999999",
    b"source:bank\ntags:forged",
    encode_record(WHEN, b"forged", b"bank", b"forged", b"forged")[:-1],
]
"""Lines of each file of the mount, as a forger would want them."""

TEXTS = [b"x" + end + forged for end in ENDS for forged in FORGED]
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [^ ]+ \[[^ ]*\] .*")
OBJECT = re.compile(r"\{.*\}")
COUNT = re.compile(r"\d+\t.*")
PATTERN = re.compile(r"\d+(?:\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z){2}\t.*")
BUCKET = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z +\d+ ?[^\w]*")
STATUS = re.compile(r"[a-z_]+: .*")
ERROR = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [^ ]*\[\d+\] [a-z]+ /[^ ]* E[A-Z]+: .*| +\^"
)

Door = Callable[[Mount, list[bytes]], None]


def one_line(text: bytes) -> bytes:
    """Return *text* without what ends a line or separates tags."""
    return text.replace(b"\n", b"\r").replace(b",", b";")


def without_records(texts: list[bytes]) -> list[bytes]:
    """Return those of *texts* that have no record which begins where a line does: that would be an event in its own right."""
    return [text for text in texts if b"\nevent: " not in text]


def append(path: Path, data: bytes) -> None:
    """Append *data* by a write of its own; what the filesystem refuses is no event."""
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        file.write(data)


def by_lines(mount: Mount, texts: list[bytes]) -> None:
    """Lines, each of which is an event; the newlines in them end one."""
    for text in without_records(texts):
        append(mount.path / "ingest", text + b"\n")


def by_contents(mount: Mount, texts: list[bytes]) -> None:
    """Records with such a content."""
    for number, text in enumerate(texts):
        append(mount.path / "ingest", encode_record(WHEN, b"%d" % number, b"app", b"", text))


def by_headers(mount: Mount, texts: list[bytes]) -> None:
    """Records with such an id, source and tags: where a newline is in it, refused."""
    for text in texts:
        for word in (text, one_line(text)):
            append(mount.path / "ingest", encode_record(WHEN, word, word, word, b"content"))


def by_tag_directories(mount: Mount, texts: list[bytes]) -> None:
    """Directories made in by-tag, named as it is and as tags are written, and what is appended to them."""
    for text in texts:
        name = one_line(text)
        written = escape(name.decode(errors="surrogateescape")).encode(errors="surrogateescape")
        for each in (text.replace(b"/", b""), written):
            path = mount.path / "by-tag" / os.fsdecode(each.replace(b"\0", b""))
            with contextlib.suppress(OSError):
                path.mkdir()
            append(path / "ingest", one_line(text) + b"\n")


def by_sources(mount: Mount, texts: list[bytes]) -> None:
    """Appended below sources that were made by records."""
    for text in texts:
        source = one_line(text)
        append(mount.path / "ingest", encode_record(WHEN, b"1", source, b"", b"content"))
        name = escape(source.decode(errors="surrogateescape"))
        append(mount.path / "by-source" / name / "ingest", one_line(text) + b"\n")


def by_level_directories(mount: Mount, texts: list[bytes]) -> None:
    """Appended below a level."""
    for text in without_records(texts):
        append(mount.path / "by-level" / "err" / "ingest", text + b"\n")


def by_the_interface(mount: Mount, texts: list[bytes]) -> None:
    """Saved by a program that opens the store itself."""
    mount.umount()
    with contextlib.closing(NaiveEventStore(str(mount.store_path))) as store:
        for text in texts:
            whole = text.decode(errors="surrogateescape")
            word = one_line(text).decode(errors="surrogateescape")
            for source, tags in ((whole, [word]), (word, [whole]), (word, [word])):
                with contextlib.suppress(InvalidEvent):
                    store.save(Event(word, source, 1000.0, tags, whole))
            with contextlib.suppress(InvalidEvent):
                store.declare_tag(word)
    mount.mount()


def by_minute_files(mount: Mount, texts: list[bytes]) -> None:
    """Written into the directory of the store by another program."""
    data = b"".join(
        encode_record(WHEN, one_line(text), one_line(text), one_line(text), text)
        # After damage, a record counts wherever it begins.
        + (b"" if b"event: " in text else text + b"\n")
        for text in texts
    )
    start = WHEN // 10**7
    (mount.store_path / f"{start}-{start + 60}").write_bytes(data)
    eventually(lambda: int((mount.path / "count").read_text()) > 0)


def by_command_names(mount: Mount, texts: list[bytes]) -> None:
    """Written and asked by processes that are called so; a name has room for the first bytes only."""
    libc = ctypes.CDLL(None)
    names = {text[:COMM_SIZE_MAX] for text in texts}
    names |= {end + b"bank [money]" for end in ENDS} | {end + b"bank[1] open /" for end in ENDS}
    for name in names:
        child = os.fork()
        if not child:
            libc.prctl(PR_SET_NAME, name)
            append(mount.path / "ingest", b"content\n")
            os.access(mount.path / "range" / "x", os.R_OK)
            os._exit(0)
        os.waitpid(child, 0)


def by_paths(mount: Mount, texts: list[bytes]) -> None:
    """In the names of files that are asked for."""
    for text in texts:
        name = text.replace(b"/", b"").replace(b"\0", b"")
        for above in (
            b"range",
            b"by-date",
            b"match/(",
            b"by-tag/a,",
            b"by-level",
            b"by-id",
            b"not",
        ):
            with contextlib.suppress(OSError):
                os.stat(os.path.join(os.fsencode(mount.path), above, name))
        with contextlib.suppress(OSError):
            os.stat(os.path.join(os.fsencode(mount.path), b"match", b"(" + name))


def by_views(mount: Mount, texts: list[bytes]) -> None:
    """In the names and targets of views."""
    views = os.path.join(os.fsencode(mount.path), b"views")
    for text in texts:
        name = text.replace(b"/", b"").replace(b"\0", b"")
        for target in (b"..", name, b"../by-tag/" + name, b"/" + name):
            with contextlib.suppress(OSError):
                os.symlink(target, os.path.join(views, name))
        for new in (b"../x" + name, name + b"2"):
            with contextlib.suppress(OSError):
                os.rename(os.path.join(views, name), os.path.join(views, new))


def by_a_log_that_was_kept(mount: Mount, texts: list[bytes]) -> None:
    """In the errors that the last mount kept, which another program changed."""
    with contextlib.suppress(OSError):
        os.stat(mount.path / "range" / "x")
    mount.umount()
    [kept] = [
        path
        for path in (mount.store_path / ".theiafs").rglob("*")
        if path.is_file() and b" getattr /range/x EINVAL: " in path.read_bytes()
    ]
    # Its own lines may say anything: here only those that begin as one does, and hide another.
    line = kept.read_bytes().splitlines()[0]
    kept.write_bytes(b"".join(line + one_line(text) + b"\n" for text in texts))
    mount.mount()


DOORS: list[Door] = [
    by_lines, by_contents, by_headers, by_tag_directories, by_sources, by_level_directories, by_the_interface, by_minute_files,
    by_command_names, by_paths, by_views, by_a_log_that_was_kept,
]  # fmt: skip


def checked(mount: Mount, name: str, form: re.Pattern[str]) -> list[str]:
    """Return the lines of a file, after checking that each is one to every program, and has its *form*."""
    data = mount.events(name)
    lines = [check_line(line) for line in data.splitlines(keepends=True)]
    assert len(lines) == data.count(b"\n")
    for line in lines:
        assert form.fullmatch(line), (name, line)
    return lines


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_no_line_is_forged(make_mount: Callable[..., Mount], door: Door) -> None:
    """An event is one line in each file of lines, and in no file of the mount is there a line of another origin."""
    mount = make_mount()
    door(mount, TEXTS)
    mount.shell("stat range/x", check=False)
    events = int(mount.events("count"))
    assert events or door in (by_paths, by_views, by_a_log_that_was_kept)

    fields = [line.split(" ", 3) for line in checked(mount, "events.log", LINE)]
    assert len(fields) == events
    assert all(source != "bank" for _, source, *_ in fields)
    assert not {"[money]", "[forged]"} & {tags for _, _, tags, _ in fields}
    objects = list(map(json.loads, checked(mount, "events.jsonl", OBJECT)))
    assert len(objects) == events
    assert not [each for each in objects if each["source"] == "bank" or each["id"] == "forged"]

    for name, form in (("sources", COUNT), ("patterns", PATTERN), ("histogram", BUCKET)):
        counts = [
            int(re.sub(r"^\S+Z +", "", line).split()[0]) for line in checked(mount, name, form)
        ]
        assert sum(counts) == events, name
    for name in ("tags", "levels"):
        counts = [int(line.split("\t")[0]) for line in checked(mount, name, COUNT)]
        assert max(counts, default=0) <= events
    status = [line.partition(": ") for line in checked(mount, "status", STATUS)]
    assert len({key for key, *_ in status}) == len(status)
    assert ("events", ": ", str(events)) in status
    errors = checked(mount, "errors", ERROR)
    assert any(" getattr /range/x EINVAL: " in line for line in errors)
    assert not [line for line in errors if line.split(" ")[1] == "bank[1]"]
    assert "Traceback" not in mount.log()
