"""Contents: where they lie in records that follow each other, in columns; and the fields of their headers.

For whole records of every kind that :func:`store.format.record.parse` accepts, canonical or not. What is common is found
column by column, eight bytes at a time, the rest one by one.
"""

from typing import NamedTuple

import numpy as np

from store.format.record import TAGS_LINE, parse_start
from store.format.text import WORD_SIZE, Booleans, Integers, Text
from store.ticks import TICKS_PER_S

__all__ = ["NOT_RECORDS", "Contents", "Fields", "find_contents", "find_fields"]

NOT_RECORDS = (AssertionError, LookupError, ValueError)
"""Errors that may be raised, here and by modules that build on this one, for bytes that are not whole records at the given edges."""

_CARRIAGE_RETURN, _POINT = b"\r."
_TOTAL_START = len(b"event: ")
_ID_LINE, _TIME_LINE, _SOURCE_LINE = b"id:", b"timestamp: ", b"source:"
_SECONDS_DIGITS_MAX = 12
_DECIMALS = 7
_WORD_VALUES = 10**WORD_SIZE


class Contents(NamedTuple):
    """The contents of records; a row of each column is one record.

    Attributes:
        starts: offset of its content in the data, in bytes.
        ends: offset of the end of its content.
    """

    starts: Integers
    ends: Integers


class Fields(NamedTuple):
    """The fields of headers; a row of each column is one record.

    Attributes:
        id_starts: offset of its id in the data, in bytes.
        id_ends: offset of the end of its id.
        source_starts: offset of its source.
        source_ends: offset of the end of its source.
        tags_starts: offset of its tags, which commas join; where its content begins, if its header has no line of them.
        tags_ends: offset of the end of its tags.
        ticks: its time, in ticks since the epoch.
    """

    id_starts: Integers
    id_ends: Integers
    source_starts: Integers
    source_ends: Integers
    tags_starts: Integers
    tags_ends: Integers
    ticks: Integers


def find_contents(data: bytes, edges: Integers) -> Contents:
    """Find the contents of the records in *data*.

    Args:
        data: whole records, one after the other.
        edges: offset of each record, and of the end of the last, in bytes.
    """
    if len(edges) < 2:
        return Contents(edges[:0], edges[:0])
    # The sizes in its first line tell where a content is, whatever it or its header looks like.
    text = Text(data)
    places = edges[:-1] + _TOTAL_START
    _, widest = text.leading_digits(places)
    places += widest + 1
    header_sizes, widths = text.leading_numbers(places)
    places += widths + 1
    widest = np.maximum(widest, widths)
    content_sizes, widths = text.leading_numbers(places)
    places += widths
    widest = np.maximum(widest, widths)
    starts = places + text.are(places, _CARRIAGE_RETURN) + 1 + header_sizes
    found = Contents(starts, starts + content_sizes)
    for row in np.flatnonzero(widest >= WORD_SIZE).tolist():
        start = int(edges[row])
        record = parse_start(data, start)
        assert record is not None, "a record that is not whole"
        starts[row] = start + record.content_start
        found.ends[row] = start + record.content_end
    return found


def find_fields(data: bytes, edges: Integers, contents: Contents) -> Fields:
    """Find the fields in the headers of the records in *data*.

    Args:
        data: whole records, one after the other.
        edges: offset of each record, and of the end of the last, in bytes.
        contents: where their contents lie.
    """
    if len(edges) < 2:
        return Fields(*[edges[:0]] * 7)
    text = Text(data)
    # A record has at least five lines: the one that opens it, three of its header, its content.
    lines = np.searchsorted(text.newlines, edges[:-1])
    openings_end, ids_end, times_end, sources_end, tags_end = (
        text.newlines[lines + line] for line in range(5)
    )
    usual = tags_end == contents.starts - 1
    usual &= text.begin(openings_end + 1, _ID_LINE) & text.begin(sources_end, b"\n" + TAGS_LINE)
    usual &= text.begin(times_end + 1, _SOURCE_LINE) & text.begin(ids_end + 1, _TIME_LINE)
    ticks = _ticks(text, ids_end + 1 + len(_TIME_LINE), times_end, usual)
    fields = Fields(
        openings_end + 1 + len(_ID_LINE),
        ids_end,
        times_end + 1 + len(_SOURCE_LINE),
        sources_end,
        sources_end + 1 + len(TAGS_LINE),
        tags_end,
        ticks,
    )
    for row in np.flatnonzero(~usual).tolist():
        values = _fields_of(data, int(edges[row]), int(contents.starts[row]))
        for column, value in zip(fields, values, strict=True):
            column[row] = value
    return fields


def _ticks(text: Text, starts: Integers, ends: Integers, usual: Booleans) -> Integers:
    """Parse times with seven decimals, in ticks.

    Args:
        text: where they are.
        starts: where each starts.
        ends: where it ends.
        usual: becomes false for those that are anything else.
    """
    points = ends - _DECIMALS - 1
    widths = points - starts
    usual &= (widths > 0) & (widths <= _SECONDS_DIGITS_MAX) & text.are(points, _POINT)
    numbers, are_digits = text.numbers_before(
        np.array([ends, points, points - WORD_SIZE]),
        np.array([np.full_like(widths, _DECIMALS), widths, widths - WORD_SIZE]),
    )
    usual &= are_digits.all(axis=0)
    decimals, seconds, more_seconds = numbers
    ticks: Integers = (seconds + more_seconds * _WORD_VALUES) * TICKS_PER_S + decimals
    return ticks


def _fields_of(data: bytes, start: int, content_start: int) -> tuple[int, ...]:
    """Return a row of :class:`Fields`: that of the record at *start* of *data*, with its content at *content_start*."""
    record = parse_start(data, start)
    assert record is not None, "a record that is not whole"
    spans = {b"tags": (content_start, content_start)}
    position = data.index(b"\n", start) + 1
    while position < content_start:
        end = data.index(b"\n", position)
        colon = data.index(b":", position)
        spans[data[position:colon].lower()] = (colon + 1, end)
        position = end + 1
    return (*spans[b"id"], *spans[b"source"], *spans[b"tags"], record.header.ticks)
