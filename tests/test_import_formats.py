"""Imports of logs in all formats: what goes in as a line comes out as the content of one event."""

import bz2
import gzip
import itertools
import lzma
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import Query, open_store
from store.format.record import encode_text
from tests.formats import HOSTILE, lines
from tests.imports import events_in, import_into
from tests.logreading import read_log
from tests.test_detection import OF_FORMATS
from theiafs.formats.table import FORMATS
from theiafs.formatted import UNPARSED

LOGS = sorted(
    path for path in (Path(__file__).parent / "data" / "logs").iterdir() if path.suffix != ".js"
)


def copy_to(directory: Path, log: Path) -> Path:
    """Copy a log that was changed on a day after all of its events."""
    path = directory / log.name
    shutil.copy(log, path)
    os.utime(path, (datetime(2026, 12, 1, tzinfo=UTC).timestamp(),) * 2)
    return path


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_logs_come_out_as_they_are_read(log: Path, tmp_path: Path) -> None:
    """Number, times, contents and levels; the summary says the first and the last time."""
    path = copy_to(tmp_path, log)
    expected = read_log(path)
    done = import_into(tmp_path / "store", path)
    assert (done.status, done.errors.count("\n")) == (0, 1)
    events = events_in(tmp_path / "store")
    found = Counter((event.ticks, encode_text(event.content or "")) for event in events)
    assert found == Counter(zip(expected.ticks, expected.contents, strict=True))
    sources = Counter(source or log.name for source in expected.sources.elements())
    assert Counter(event.source for event in events) == sources
    with closing(open_store(str(tmp_path / "store"))) as store:
        levels = store.levels(Query())
    assert levels == expected.levels
    first, last = (
        datetime.fromtimestamp(ticks // 10**7, UTC)
        for ticks in (min(expected.ticks), max(expected.ticks))
    )
    assert f"{len(events)} events, {len(events)} imported" in done.output
    assert re.search(rf"from {first:%FT%T}\.\d+Z to {last:%FT%T}\.\d+Z", done.output)


def test_a_rotated_set_of_archives(tmp_path: Path) -> None:
    """In any order: the same events as of the whole log."""
    whole = copy_to(tmp_path, LOGS[0].with_name("linux.log"))
    assert import_into(tmp_path / "whole", whole).status == 0
    text = whole.read_bytes().splitlines(keepends=True)
    compress: list[Callable[[bytes], bytes]] = [lzma.compress, bz2.compress, gzip.compress, bytes]
    names = ("linux.log.3.xz", "linux.log.2.bz2", "linux.log.1.gz", "linux.log")
    parts = tmp_path / "parts"
    parts.mkdir()
    for number, (name, change) in enumerate(zip(names, compress, strict=True)):
        part = parts / name
        part.write_bytes(change(b"".join(text[number * 15 : (number + 1) * 15])))
        shutil.copystat(whole, part)
    for number, order in enumerate(itertools.permutations(names)):
        if number % 5 == 0:
            store = tmp_path / f"store-{number}"
            assert import_into(store, *(parts / name for name in order)).status == 0
            assert ids_in(store) == ids_in(tmp_path / "whole")


def ids_in(store: Path) -> list[tuple[str, str | None]]:
    return sorted((str(event.id), event.content) for event in events_in(store))


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            lines.map(b" ".join),
            st.sampled_from([text.encode() for some in OF_FORMATS.values() for text in some]),
            st.sampled_from(HOSTILE),
            st.binary(max_size=20),
        ),
        max_size=6,
    ),
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_every_line_is_the_content_of_one_event(
    drawn: list[bytes], format_: str, end: bytes
) -> None:
    """Parsed or not, byte for byte; but events, which are given back, and blank lines, which are none."""
    text = end.join(drawn)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "app.log"
        path.write_bytes(text)
        options = ("--format", format_, "--multiline", "none")
        assert import_into(Path(name) / "store", *options, path).status == 0
        found = [encode_text(event.content or "") for event in events_in(Path(name) / "store")]
    whole = (line.removesuffix(b"\r") for line in text.split(b"\n"))
    assert sorted(found) == sorted(line for line in whole if line.strip(b" \t"))


@pytest.mark.parametrize("format_", sorted(set(FORMATS) - {"lines"}))
def test_hostile_lines(format_: str, tmp_path: Path) -> None:
    """Each is an event that is tagged; the lines around them are what they are without them."""
    good = OF_FORMATS[format_][0].encode()
    hostile = [line for line in HOSTILE if line.strip(b" \t") and len(line) <= 1 << 20]
    path = tmp_path / "app.log"
    path.write_bytes(b"\n".join([good, *hostile, good]))
    done = import_into(tmp_path / "store", "--format", format_, "--multiline", "none", path)
    assert done.status == 0
    events = events_in(tmp_path / "store")
    tagged = [
        encode_text(event.content or "") for event in events if UNPARSED in (event.tags or [])
    ]
    assert sorted(tagged) == sorted(hostile)
    assert len(events) == len(hostile) + 2
    assert len({event.ticks for event in events}) == 1
