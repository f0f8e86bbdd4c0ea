"""Common programs work on a real mount as they do on any directory."""

import errno
import logging
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from store import Event, EventSerializer
from tests.mount.conftest import Mount
from tests.waiting import eventually


def record(
    event_id: str, timestamp: float, content: str = "x", tags: list[str] | None = None
) -> bytes:
    return EventSerializer().serialize(Event(event_id, "/record", timestamp, tags or [], content))


def append(path: Path, data: bytes) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        return os.write(descriptor, data)
    finally:
        os.close(descriptor)


@pytest.fixture
def filled(mounted: Mount) -> Mount:
    """A mount with events of three minutes and two tags."""
    records = [
        record(f"id{i}", 1000 + i * 7, f"line {i}", ["even"] if i % 2 == 0 else ["odd", "a/b"])
        for i in range(30)
    ]
    append(mounted.path / "ingest", b"".join(records))
    return mounted


# Reading


def test_read_your_writes(mounted: Mount) -> None:
    """As soon as echo has returned, cat sees the line, two hundred times in a row."""
    mounted.shell("mkdir by-tag/t")
    script = """for i in $(seq 200); do
        echo "line $i" >> by-tag/t/ingest
        grep -q "^line $i\\$" <(cat by-tag/t/events) || exit 1
        [ "$(cat by-tag/t/count)" = "$i" ] || exit 1
    done"""
    mounted.shell(script)


def test_cat_grep_and_wc(filled: Mount) -> None:
    """They find the matching events, and all of each."""
    assert filled.shell("cat minutes/* | grep -c ^line") == "30\n"
    assert filled.shell("grep -rh '^line' by-tag/even | wc -l") == "15\n"
    assert filled.shell("grep -c ^line by-tag/odd/events") == "15\n"
    assert filled.shell("cat by-tag/even/by-tag/even/count by-tag/even,odd/count") == "15\n30\n"
    size = filled.shell("wc -c < by-tag/even/events")
    assert size == filled.shell("stat -c %s by-tag/even/events")
    assert int(size) == len(filled.events("by-tag/even/events"))
    assert filled.shell("cat by-tag/a%2Fb/count") == "15\n"


def test_grep_r_counts_every_event_once(filled: Mount) -> None:
    """A file that only resolves is not found a second time."""
    counts = filled.shell("grep -rc '^line' by-tag/even").split()
    assert sum(int(line.rpartition(":")[2]) for line in counts) == 15


def test_less_head_and_tail(filled: Mount) -> None:
    """Pagers and the two ends of a file show the same bytes."""
    data = filled.events("by-tag/odd/events")
    assert filled.shell("less by-tag/odd/events | cat").encode() == data
    assert filled.shell("head -c 100 by-tag/odd/events").encode() == data[:100]
    assert filled.shell("tail -c 100 by-tag/odd/events").encode() == data[-100:]


@pytest.mark.parametrize("block_size", [1, 7, 511, 4097, 131073])
def test_dd_with_odd_block_sizes(filled: Mount, block_size: int) -> None:
    """Any offset and size reads the same bytes, in growing and in settled files."""
    data = filled.events("by-tag/odd/events")
    assert filled.shell(f"dd if=by-tag/odd/events bs={block_size} status=none").encode() == data
    assert (
        filled.shell(f"dd if=by-tag/odd/events bs={block_size} skip=1 status=none").encode()
        == data[block_size:]
    )


def test_ls_shows_types_sizes_and_times(filled: Mount) -> None:
    """A file is as new as its newest event."""
    listing = filled.shell("TZ=UTC ls -l --time-style=+%s by-tag/even").splitlines()[1:]
    columns = [line.split() for line in listing]
    assert [column[6] for column in columns] == ["1000-1060", "1063-1123", "1126-1186", "1189-1249"]
    assert columns[0][0] == "-r--r--r--"
    assert columns[0][5] == "1056"
    assert int(columns[0][4]) == len(filled.events("by-tag/even/1000-1060"))
    assert filled.shell("stat -c '%F %h' . by-tag latest README").splitlines() == [
        "directory 1", "directory 1", "symbolic link 1", "regular file 1",
    ]  # fmt: skip
    assert filled.shell("stat -c %Y by-tag/even by-tag/odd/events") == "1196\n1203\n"


def test_find_ends_and_knows_types(filled: Mount) -> None:
    """Walking from the root comes to an end, and lists each file of a query directory once."""
    found = filled.shell("find . -type f").split()
    assert len(found) == len(set(found))
    assert sorted(path for path in found if path.startswith("./by-tag/even/")) == [
        f"./by-tag/even/{name}" for name in ("1000-1060", "1063-1123", "1126-1186", "1189-1249")
    ]
    assert filled.shell("find . -type l -not -name '.*'") == "./latest\n"
    assert (
        filled.shell("find by-tag -type d | sort")
        == "by-tag\nby-tag/a%2Fb\nby-tag/even\nby-tag/odd\n"
    )
    with os.scandir(filled.path / "minutes") as entries:
        assert all(entry.is_file(follow_symlinks=False) for entry in entries)


def test_latest_leads_to_the_newest_minute(filled: Mount) -> None:
    """It is a link, and moves on."""
    assert filled.shell("readlink latest") == "minutes/1189-1249\n"
    append(filled.path / "ingest", record("new", 5000))
    eventually(lambda: filled.shell("readlink latest") == "minutes/5000-5060\n")


def test_cp_tar_and_rsync_copy_exactly(filled: Mount, tmp_path: Path) -> None:
    """The copies are the same to the byte."""
    filled.shell(
        f"cp -r by-tag/even {tmp_path}/copied && tar cf {tmp_path}/t.tar minutes && tar df {tmp_path}/t.tar"
    )
    filled.shell(
        f"rsync -a minutes {tmp_path}/synced/ && diff -r minutes {tmp_path}/synced/minutes"
    )
    filled.shell(f"diff -r --no-dereference by-tag/even {tmp_path}/copied")
    with tarfile.open(tmp_path / "t.tar") as archive:
        names = [name for name in archive.getnames() if name != "minutes"]
        assert len(names) == 4
        for name in names:
            member = archive.extractfile(name)
            assert member is not None
            assert member.read() == filled.events(name)


def test_df_shows_the_disk_under_the_store(filled: Mount) -> None:
    """Its size is that of the store's file system."""
    ours, its = os.statvfs(filled.path), os.statvfs(filled.store_path)
    assert (ours.f_frsize, ours.f_blocks, ours.f_files) == (its.f_frsize, its.f_blocks, its.f_files)


def test_tail_f_follows_without_reopening(filled: Mount) -> None:
    """It prints the stored events, once each, in order of arrival, late ones included."""
    path = filled.path / "by-tag" / "even" / "events"
    with subprocess.Popen(["tail", "-n", "+1", "-f", path], stdout=subprocess.PIPE) as tail:
        try:
            assert tail.stdout is not None
            os.set_blocking(tail.stdout.fileno(), False)
            seen = bytearray()

            def has_seen(wanted: bytes) -> bool:
                assert tail.stdout is not None
                seen.extend(tail.stdout.read() or b"")
                return seen.endswith(wanted)

            eventually(lambda: has_seen(b"\nline 28\n\n"))
            append(filled.path / "by-tag/even/ingest", b"now\n")
            eventually(lambda: has_seen(b"\nnow\n\n"))
            append(filled.path / "by-tag/even/ingest", record("late", 1001, "late"))
            eventually(lambda: has_seen(b"\nlate\n\n"))
            assert bytes(seen) == path.read_bytes()
        finally:
            tail.kill()


# Appending


@pytest.mark.parametrize(
    "script",
    [
        "printf 'one\\ntwo\\n' > ingest",
        "printf 'one\\ntwo\\n' >> ingest",
        "printf 'one\\ntwo\\n' | tee -a ingest",
        "printf 'one\\ntwo\\n' | tee ingest",
        "printf 'one\\r\\n\\r\\n \\ntwo\\r\\n' >> ingest",
        "printf 'one\\ntwo\\n' > /tmp/$$ && cp /tmp/$$ ingest; rm /tmp/$$",
        "printf 'one\\ntwo\\n' | dd of=ingest status=none",
        "printf 'one\\ntwo\\n' | dd of=ingest oflag=append conv=notrunc bs=1 status=none",
        "{ printf on; printf 'e\\n'; /usr/bin/printf tw; true; printf 'o\\n'; } >> ingest",
        "printf 'one\\ntwo\\n' | while IFS= read -r -n1 -d '' c; do printf '%s' \"$c\"; done >> ingest",
        "{ echo one; echo two; } | sed -u '' > ingest",
    ],
)
def test_every_way_to_append(mounted: Mount, script: str) -> None:
    """Two lines become two events, whichever program writes them, and however it opens the file."""
    mounted.shell(script)
    assert mounted.contents() == [b"one", b"two"]


def test_a_line_stays_one_when_a_process_that_has_the_file_open_ends(mounted: Mount) -> None:
    """The kernel tells of every closed copy of a descriptor; only the last one ends a line."""
    mounted.shell("{ printf par; true; (exit 0); /bin/true; printf 'tial\\n'; } >> ingest")
    assert mounted.contents() == [b"partial"]


def test_the_last_line_needs_no_end(mounted: Mount) -> None:
    """Closing the file ends it."""
    mounted.shell("printf 'one\\ntwo' >> ingest")
    eventually(lambda: mounted.contents() == [b"one", b"two"])


def test_the_source_is_the_command(mounted: Mount) -> None:
    """An event says which program wrote it."""
    mounted.shell(
        "printf 'a\\n' | dd of=ingest status=none; printf 'b\\n' | tee ingest; echo c >> ingest"
    )
    assert mounted.shell("grep ^source: events") == "source:dd\nsource:tee\nsource:bash\n"


def test_python_logging_file_handler(mounted: Mount) -> None:
    """Each record is an event."""
    handler = logging.FileHandler(mounted.path / "ingest")
    logger = logging.Logger("test")
    logger.addHandler(handler)
    for number in range(100):
        logger.warning("record %d", number)
    handler.close()
    assert mounted.contents() == [b"record %d" % number for number in range(100)]


def test_bytes_come_out_as_they_went_in(mounted: Mount) -> None:
    """Every byte but the newline, valid UTF-8 or not, is content."""
    lines = [bytes([byte]) * 3 for byte in range(256) if byte not in b"\n\r\t "] + [
        bytes(range(11, 256))
    ]
    append(mounted.path / "ingest", b"".join(line + b"\n" for line in lines))
    assert mounted.contents() == lines
    mounted.remount()
    assert mounted.contents() == lines


def test_sixteen_writers_at_once(mounted: Mount) -> None:
    """Every line is there, once and whole."""
    mounted.shell(
        r"""mkdir by-tag/w
        for w in $(seq 16); do
            (for i in $(seq 1000); do printf 'writer %d line %d %*s\n' $w $i $((i % 50)) x; done >> by-tag/w/ingest) &
        done; wait"""
    )
    expected = {
        b"writer %d line %d %s" % (w, i, b"x".rjust(i % 50))
        for w in range(1, 17)
        for i in range(1, 1001)
    }
    contents = mounted.contents("by-tag/w/events")
    assert len(contents) == 16000
    assert set(contents) == expected
    assert mounted.events("by-tag/w/count") == b"16000\n"


def test_a_directory_gives_its_tags(mounted: Mount) -> None:
    """An event that is appended to a directory shows up in it."""
    mounted.shell(
        "mkdir by-tag/a by-tag/b; echo one >> by-tag/a/by-tag/b/ingest; echo two >> range/last-1m/by-tag/a/ingest"
    )
    assert mounted.contents("by-tag/a/by-tag/b/events") == [b"one"]
    assert mounted.contents("by-tag/a/events") == [b"one", b"two"]
    assert "Invalid argument" in mounted.shell("echo three >> range/0-10/ingest", check=False)
    assert mounted.events("count") == b"2\n"


def test_a_bad_record_costs_nothing_else(mounted: Mount) -> None:
    """The write is short by it; the next one fails; the log says why; others go on."""
    good = record("good", 10) + b"line\n"
    bad = record("bad", 10).replace(b"source:", b"sauce::")
    descriptor = os.open(mounted.path / "ingest", os.O_WRONLY)
    try:
        assert os.write(descriptor, good + bad + b"more\n") == len(good)
        with pytest.raises(OSError, match="Invalid argument"):
            os.write(descriptor, bad + b"more\n")
        assert os.write(descriptor, b"after\n") == 6
    finally:
        os.close(descriptor)
    assert sorted(mounted.contents()) == [b"after", b"line", b"x"]
    assert "sauce" in mounted.log()


def test_large_events(make_mount: Callable[..., Mount]) -> None:
    """As large as the limit is fine, in many small writes too; one more byte is an error."""
    mount = make_mount("max_event=64K")
    size = 64 << 10
    mount.shell(f"head -c {size} /dev/zero | tr '\\0' x | dd bs=1000 of=ingest status=none")
    eventually(lambda: mount.contents() == [b"x" * size])
    with pytest.raises(OSError, match="Message too long") as caught:
        append(mount.path / "ingest", b"x" * (size + 1) + b"\n")
    assert caught.value.errno == errno.EMSGSIZE
    assert (
        append(mount.path / "ingest", record("big", 10, "y" * 60000) * 20)
        == len(record("big", 10, "y" * 60000)) * 20
    )
    assert mount.events("count") == b"21\n"


def test_an_event_of_a_mebibyte(mounted: Mount) -> None:
    """The kernel cuts a write into pieces; the event stays whole."""
    line = bytes(range(32, 127)) * 11000
    append(mounted.path / "ingest", line[: 1 << 20] + b"\n")
    assert mounted.contents() == [line[: 1 << 20]]


# What is refused, and what is not


def test_tags_and_sources_are_declared_by_their_directories(mounted: Mount) -> None:
    """They are there at once and after a restart; what is none is an error."""
    for directory in ("by-tag", "by-source"):
        line = f"echo x >> {directory}/new/ingest"
        assert "No such file" in mounted.shell(line, check=False)
        mounted.shell(f"mkdir {directory}/new && {line} && mkdir '{directory}/%2Fdeclared'")
    mounted.remount()
    assert mounted.shell("ls by-tag") == "%2Fdeclared\nnew\n"
    assert mounted.shell("ls by-source") == "%2Fdeclared\nbash\nnew\n"
    assert mounted.shell("cat by-source/new/count by-source/%2Fdeclared/count") == "1\n0\n"
    for command, message in [
        ("mkdir by-tag/new", "File exists"),
        ("mkdir by-source/bash", "File exists"),
        ("ls by-source/typo", "No such file"),
        ("mkdir by-tag/a,b", "Invalid argument"),
        ("mkdir other", "Operation not permitted"),
        ("mkdir range/1-2", "File exists"),
        ("ls by-tag/typo", "No such file"),
        ("ls range/typo", "Invalid argument"),
        ("ls range/20-10", "Invalid argument"),
        ("ls range/2026-11-23T10:15-10:30", "Invalid argument"),
        ("ls range/1763800000", "Invalid argument"),
        (
            "ls range/today range/..2026 range/2026-11-23-2026-11-24 && ls range/typo",
            "Invalid argument",
        ),
        ("ls .git by-tag/.git range/autorun.inf minutes/.x", "No such file"),
        ("touch file", "Operation not permitted"),
        ("rm README", "Operation not permitted"),
        ("rmdir by-tag/new", "Operation not permitted"),
        ("mv README other", "Operation not permitted"),
        ("ln -s README other", "Operation not permitted"),
        ("echo x >> README", "Operation not permitted"),
        ("echo x > by-tag/new/events", "Operation not permitted"),
        ("chmod 777 README", "Operation not permitted"),
    ]:
        assert message in mounted.shell(command, check=False), command


def test_log_writers_may_adjust_an_ingest_file(mounted: Mount) -> None:
    """Truncating, chmod, chown and touch succeed and change nothing."""
    mounted.shell(
        "chmod 600 ingest && chown daemon ingest && touch ingest && truncate -s 0 ingest && : > ingest"
    )
    assert mounted.shell("stat -c '%a %U %s' ingest") == "644 root 0\n"
    assert mounted.shell("cat ingest") == ""


def test_filters_nest_sixteen_deep(filled: Mount) -> None:
    """One more is not there."""
    deep = "by-tag/even/" * 16
    assert filled.shell(f"cat {deep}count") == "15\n"
    assert "No such file" in filled.shell(f"ls {deep}by-tag", check=False)
    assert "No such file" in filled.shell(f"ls {deep}by-tag/even", check=False)


def test_owner_and_permissions_follow_the_options(make_mount: Callable[..., Mount]) -> None:
    """As with any mount."""
    mount = make_mount("uid=daemon,gid=12,umask=027,allow_other")
    assert mount.shell("stat -c '%u %g %a' . README ingest") == "1 12 750\n1 12 440\n1 12 640\n"


def test_names_that_are_not_utf8_are_not_found(mounted: Mount) -> None:
    """They are no error of ours; where a tag is meant, the reason says how to write it."""
    name = os.fsencode(mounted.path) + b"/by-tag/\xff"
    assert not os.path.exists(name)
    with pytest.raises(OSError, match="Invalid argument"):
        os.mkdir(name)
    assert "write '%FF'" in (mounted.path / "errors").read_text()
    append(mounted.path / "ingest", record("f", 10, "x", ["\udcff"]))
    assert mounted.shell("ls by-tag") == "%FF\n"
    assert mounted.contents("by-tag/%FF/events") == [b"x"]


@pytest.mark.parametrize("size", [1_500_000, 2_097_152, 5_000_000])
def test_a_line_that_is_too_long(mounted: Mount, size: int) -> None:
    """Its writer is told, whatever it writes with, and no part of it becomes an event."""
    line = b"".join(b"%08d" % number for number in range(size // 8)) + b"\n"
    with (
        pytest.raises(OSError, match="Message too long"),
        (mounted.path / "ingest").open("ab") as file,
    ):
        file.write(line)
    with pytest.raises(OSError, match="Message too long"):
        (mounted.path / "ingest").write_bytes(b"small 1\n" + line)
    (mounted.path.parent / "line").write_bytes(line)
    assert "Message too long" in mounted.shell("cat ../line >> ingest", check=False)
    assert "Message too long" in mounted.shell("dd if=../line of=ingest bs=1M", check=False)
    mounted.shell("echo after >> ingest")
    assert mounted.contents() == [b"small 1", b"after"]
