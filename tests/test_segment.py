"""Segments of the log: their format, and damage in them."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.errors import EventStoreException
from store.wal.segment import LogRecord, line_size, list_segments, read_records
from tests.faults import FaultyDisk
from tests.test_wal import DIRECTORY, Parts, disk, found, log_on, made_of, parts, record

__all__ = ["disk"]


@settings(deadline=None)
@given(st.lists(parts, min_size=1, max_size=4), st.data())
def test_damage_costs_the_record_it_hit(given_parts: list[Parts], data: st.DataObject) -> None:
    """Every other record is found, nothing that was not there, and what is damaged is told exactly."""
    disk = FaultyDisk()
    disk.make_directory(DIRECTORY)
    log = log_on(disk)
    batch = [made_of(each) for each in given_parts]
    ends = [log.append([each])[0] + sum(map(len, each.encode())) for each in batch]
    content = bytearray(disk.content(f"{DIRECTORY}/000000000001"))
    start = len(content) - ends[-1]
    place = data.draw(st.integers(start, len(content) - 1))
    hit = next(number for number, end in enumerate(ends) if place < start + end)
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
        whole = batch[:hit] + batch[hit + 1 :]
    else:
        del content[place:]
        whole = batch[:hit]
    read = list(read_records(lambda at, size: bytes(content[at : at + size]), start, len(content)))
    assert [each.record for each in read if each.record is not None] == whole
    edges = [start, *(each.end for each in read)]
    assert [each.start for each in read] == edges[:-1]
    assert edges[-1] == len(content)


def test_damage_in_the_first_line_costs_no_record(disk: FaultyDisk) -> None:
    """The records after it are found all the same."""
    log = log_on(disk)
    log.append([record(0), record(1)])
    disk._inode(f"{DIRECTORY}/000000000001").flip(3)
    assert found(disk) == [record(0), record(1)]


def test_an_unknown_format_is_refused(disk: FaultyDisk) -> None:
    """In one line that names the file and the format."""
    with disk.create(f"{DIRECTORY}/000000000001") as file:
        file.write(b"theiafs-journal 4 after 0 0\n")
    with pytest.raises(
        EventStoreException, match=r"^/j/000000000001 has the unknown format 4[^\n]*$"
    ):
        list_segments(disk, DIRECTORY)


def test_format_1_is_read(disk: FaultyDisk) -> None:
    """As earlier releases wrote it."""
    with disk.create(f"{DIRECTORY}/000000000001") as file:
        file.write(b"theiafs-journal 1 after 0 0\n")
        for rest, data in [(b"0-60 3 4\n", b"data"), (b"0-60 - 2\n", b"da")]:
            file.write(b"%08x %s" % (zlib.crc32(data, zlib.crc32(rest)), rest), data)
    assert found(disk) == [LogRecord("0-60", 3, b"data"), LogRecord("0-60", 0, b"da", resets=True)]


@given(parts, st.booleans())
def test_the_size_of_a_line(part: Parts, resets: bool) -> None:
    """It is that of the encoded line."""
    each = made_of(part)._replace(resets=resets)
    size = line_size(each.minute, each.offset, len(each.data), resets=resets)
    assert size == len(each.encode()[0])


def test_a_segment_that_cannot_be_begun_says_nothing(disk: FaultyDisk) -> None:
    """Only a first line that was written tells the next opening what is flushed."""
    log = log_on(disk, keep_s=600)
    for number in range(3):
        log.append([record(number)])
        log._segments.current = None
    disk.failing = range(disk.operations + 1, disk.operations + 100)
    log.release({"0-60": 30})
    disk.failing = range(0)
    assert log._flushed == 0
    log.release({})
    assert [each.flushed for each in list_segments(disk, DIRECTORY)][-1] == log._flushed == 3
