"""The process that reads the lines of an import: what it answers, and how it ends."""

import errno
import os
import signal
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from theiafs.errors import ImportFailed
from theiafs.formats.fields import Fields, Format, Rules
from theiafs.formats.table import FORMATS
from theiafs.importing.multiline import Contents
from theiafs.importing.reader_process import ReaderProcess

LINES = [
    b'{"time":"2025-11-24T16:00:00Z","level":"info","msg":"one","host":"a"}',
    b"Nov 24 16:00:00 host app[12]: two",
    b'10.0.0.1 - - [24/Nov/2025:16:00:00 +0000] "GET / HTTP/1.1" 200 5',
    b"time=2025-11-24T16:00:00Z status=500 msg=three",
    b"no time",
    b"\xff\x00",
]


def children(process_id: int) -> list[int]:
    """The processes that *process_id* has started."""
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return list(map(int, text.split()))


def in_pieces(size: int) -> Iterator[Contents]:
    for start in range(0, len(LINES), size):
        some = LINES[start : start + size]
        yield Contents(some, np.arange(start, start + len(some)))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Europe/Berlin")])
def test_it_reads_what_the_format_reads(name: str, zone: ZoneInfo) -> None:
    """In whatever pieces, each with its own lines."""
    format_, rules = FORMATS[name], Rules(zone, 10**16, ("status", "host"))
    for size in (1, 2, len(LINES)):
        with ReaderProcess() as reader:
            for contents, lines in reader.read(in_pieces(size), format_, rules):
                wanted = format_.read(contents.texts, rules)
                np.testing.assert_array_equal(lines.fields.ticks, wanted.ticks)
                np.testing.assert_array_equal(lines.fields.is_parsed, wanted.is_parsed)
                assert lines.fields.events == wanted.events
                kinds = list(zip(wanted.sources, wanted.tags, wanted.is_parsed, strict=True))
                assert [lines.kinds[place] for place in lines.places] == kinds


def test_that_it_was_ended_is_no_end_of_the_file() -> None:
    """The lines that it had not read are no part of what was imported."""
    before = set(children(os.getpid()))
    with ReaderProcess() as reader:
        [process_id] = set(children(os.getpid())) - before
        os.kill(process_id, signal.SIGKILL)
        with pytest.raises(ImportFailed, match="try again"):
            list(reader.read(in_pieces(1), FORMATS["lines"], Rules(UTC, 0)))


class Failing(Format):
    """A format with a bug."""

    name = "failing"

    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        raise ValueError("a bug")


def test_a_bug_of_a_format_is_no_want_of_memory() -> None:
    """It shows as what it is."""
    with ReaderProcess() as reader, pytest.raises(ValueError, match="a bug"):
        list(reader.read(in_pieces(1), Failing(), Rules(UTC, 0)))


def test_a_process_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Says so: the output can be written."""

    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(ImportFailed, match="Resource temporarily unavailable"):
        ReaderProcess()
