"""The filters of texts: they tell which minutes hold no word of a pattern, so that these are not read.

A filter covers a run of neighbouring minutes at rest, of about 1,000 events. It counts for those of them that have not
changed, which their checksums tell.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from store.answers.selection import batches
from store.cache import Cache
from store.engine.first_entries import FirstEntries
from store.engine.record_judge import Judge, RecordJudge, Section
from store.errors import EventReadException
from store.format.contents import Contents
from store.index.catalog import Catalog
from store.index.database import Database
from store.index.extents import Layout
from store.index.rows import checked
from store.index.text_filters import MEMBER, pack_text_filter
from store.index.trigrams import Builder, may_contain
from store.interruption import check_reader
from store.matching.lines import join_lines
from store.matching.literals import Alternatives

__all__ = ["TextFilters"]

Needs = Sequence[Alternatives]
"""What a text must have: one of each of these alternatives."""

_EVENTS = 1000
"""A filter covers this many events or more, less than twice as many unless one minute has more."""

_REST_S = 5.0
"""A minute that has not changed for this long is worth a filter."""

_READ_AT_ONCE = 64
"""Minutes that are read before it is asked whether the reader is still there."""

_SMALL_SIZE_MAX = 1 << 18
"""Bytes of a minute that is read whole to look for a word; it bounds memory."""

_COLUMN_SIZE = 500
"""Approximate memory of a column besides its values, in bytes."""


class Source(Protocol):
    """The minutes, and the lock that guards them."""

    lock: threading.Lock
    catalog: Catalog

    def layouts(self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[Layout]:
        """Return the layouts of the first *lengths* entries of *minutes*; an empty one for a minute that is gone."""

    def read(self, minute: int, start: int, end: int) -> bytes:
        """Read the bytes of *minute*, by id, from *start* to *end*."""

    def resting(self, minutes: NDArray[np.int64], rest_s: float) -> NDArray[np.bool_]:
        """Return which of *minutes* are wholly in their files, and have not changed for *rest_s* seconds."""


class TextFilters:
    """The filters of the texts of minutes. Any number of threads may use it.

    Args:
        cache: where it is remembered which minutes have a filter.
        database: the index.
        records: judges records.
        source: the minutes.
    """

    def __init__(
        self, cache: Cache, database: Database, records: RecordJudge, source: Source
    ) -> None:
        self._cache = cache
        self._database = database
        self._records = records
        self._source = source
        self._lock = threading.Lock()

    def misses(self, needs: Needs, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many of the first entries of *minutes*, by id, are known not to have what *needs* asks for.

        Raises:
            ReaderGone: if the reader has gone away.
        """
        members, is_miss, outdated = self._consult(needs, minutes)
        length = int(max(minutes.max(initial=-1), members["id"].max(initial=0))) + 1
        found = np.zeros(length, np.int64)
        missed = members[is_miss]
        found[missed["id"]] = missed["entries"]
        held = members[~is_miss]
        # Else the word is so common that few of them lack it.
        if len(held) < len(missed):
            lacking = self._lacking(needs, held[np.isin(held["id"], minutes)])
            found[lacking["id"]] = lacking["entries"]
        self._note_covered(members["id"].astype(np.int64), members["entries"].astype(np.int64))
        if outdated:
            self._database.save_text_filters([], outdated)
        return found[minutes]

    def _consult(
        self, needs: Needs, minutes: NDArray[np.int64]
    ) -> tuple[NDArray[np.void], NDArray[np.bool_], list[int]]:
        """Ask all filters that may be of some of *minutes*.

        Returns:
            Their members that have not changed, whether these lack some of *needs*, and the ids of filters of which most
            members have changed.
        """
        first, last = self._span(minutes)
        parts, answers, numbers = [], [], []
        for number, members, bits in self._database.text_filters(first, last):
            check_reader()
            parts.append(members)
            answers.append(checked(may_contain, bits, needs) is False)
            numbers.append(number)
        lengths = np.array([len(each) for each in parts], np.int64)
        # np.concatenate compares the fields of each part with those of the first, which takes longer than all else here.
        members = np.frombuffer(b"".join(each.tobytes() for each in parts), MEMBER)
        is_valid = self._are_valid(members)
        owners = np.arange(len(lengths)).repeat(lengths)
        valid = np.bincount(owners, is_valid, len(lengths))
        outdated = np.array(numbers, np.int64)[2 * valid < np.maximum(lengths, 1)].tolist()
        is_miss = np.array(answers, np.bool_)[owners]
        return members[is_valid], is_miss[is_valid], outdated

    def _lacking(self, needs: Needs, members: NDArray[np.void]) -> NDArray[np.void]:
        """Return those of *members* whose bytes lack some of *needs*, of those that share a filter with many others.

        Of a thousand minutes with ten events each, a word is in few of those whose filters hold it, and what is not in the
        bytes of a minute is in none of its contents: that takes neither its layout nor its records.
        """
        with self._source.lock:
            sizes = self._source.catalog.values("bytes", members["id"].astype(np.int64))
        is_small = (members["entries"] < _EVENTS // 2) & (sizes <= _SMALL_SIZE_MAX)
        members, sizes = members[is_small], sizes[is_small]
        is_lacking = np.zeros(len(members), np.bool_)
        rows = zip(members["id"].tolist(), sizes.tolist(), strict=True)
        for place, (minute, size) in enumerate(rows):
            if place % _READ_AT_ONCE == 0:
                check_reader()
            try:
                text = self._source.read(minute, 0, size).lower()
            except EventReadException:  # it is read again, and told, when it is searched
                continue
            is_lacking[place] = not all(
                any(map(text.__contains__, alternatives)) for alternatives in needs
            )
        return members[is_lacking]

    def _span(self, minutes: NDArray[np.int64]) -> tuple[int, int]:
        """Return the starts of the first and the last of *minutes*, in seconds; 0 for the first of all."""
        with self._source.lock:
            catalog = self._source.catalog
            starts = catalog.values("start", minutes)
            first = int(starts.min())
            # What is older is gone, and so may be its filters.
            oldest = catalog.following(0, 1)
            if len(oldest) and first <= int(catalog.values("start", oldest)[0]):
                first = 0
            return first, int(starts.max())

    def _are_valid(self, members: NDArray[np.void]) -> NDArray[np.bool_]:
        """Return for each of *members* whether it is a minute whose file has not changed."""
        with self._source.lock:
            catalog = self._source.catalog
            last_id = catalog.last_id
            if last_id < 0:
                return np.zeros(len(members), np.bool_)
            ids = np.minimum(members["id"].astype(np.int64), last_id)
            columns = ("checksum", "size", "bytes", "entries")
            checksum, size, total, entries = (catalog.values(name, ids) for name in columns)
        is_valid: NDArray[np.bool_] = (
            (members["id"] <= last_id)
            & (checksum == members["checksum"])
            & (size == total)
            & (size.astype(np.uint32) == members["size"])
            & (entries == members["entries"])
        )
        return is_valid

    # Building

    def build_all(self) -> None:
        """Build the filters that minutes lack.

        Raises:
            EventReadException: if a minute cannot be read.
        """
        with self._source.lock:
            minutes = self._source.catalog.ids()
            entries = self._source.catalog.values("entries", minutes)
        for some in batches(entries):
            layouts = self._source.layouts(minutes[some], entries[some])
            sections = [
                Section(minute, 0, layout)
                for minute, layout in zip(minutes[some].tolist(), layouts, strict=True)
            ]
            self._build(_no_verdict, sections)

    def judged_all(
        self, judge: Judge, sections: Sequence[Section]
    ) -> list[NDArray[np.bool_] | None]:
        """Judge *sections* as :meth:`RecordJudge.judged_all` does, and build the filters that they lack on the way.

        Raises:
            ReaderGone: if the reader has gone away.
        """
        found, places = self._build(judge, sections)
        left = sorted(set(range(len(sections))).difference(places))
        results = self._records.judged_all(judge, [sections[place] for place in left])
        for place, result in zip(left, results, strict=True):
            found[place] = result
        return found

    def _build(
        self, judge: Judge, sections: Sequence[Section]
    ) -> tuple[list[NDArray[np.bool_] | None], list[int]]:
        """Judge those of *sections* of which filters are to be built, and build these.

        Returns:
            For each section what was judged, None where nothing was, and the places of those that were.
        """
        found: list[NDArray[np.bool_] | None] = [None] * len(sections)
        judged: list[int] = []
        members, starts = self._members(sections)
        made = []
        for places in self._runs(sections, members):
            builder = Builder(int(members["size"][places].sum(dtype=np.int64)))
            chosen = [sections[place] for place in places]
            results = self._records.judged_all(_building(builder, judge), chosen)
            for place, result in zip(places, results, strict=True):
                found[place] = result
            judged += places
            minutes = members["id"][places].astype(np.int64)
            entries = members["entries"][places].astype(np.int64)
            is_complete = all(each is not None for each in results)
            # Another search may have built it meanwhile, and a filter that is there twice would stay.
            if is_complete and (bits := builder.packed()) and self._note_covered(minutes, entries):
                first, last = int(starts[places[0]]), int(starts[places[-1]])
                made.append(pack_text_filter(first, last, members[places], bits))
        if made:
            self._database.save_text_filters(made, [])
        return found, judged

    def _members(self, sections: Sequence[Section]) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """Return the minutes of *sections* as they are now, and their starts, in seconds."""
        minutes = np.array([each.minute for each in sections], np.int64)
        members = np.empty(len(minutes), MEMBER)
        members["id"] = minutes
        with self._source.lock:
            catalog = self._source.catalog
            for name in ("checksum", "size", "entries"):
                members[name] = catalog.values(name, minutes).astype(np.uint32)
            return members, catalog.values("start", minutes)

    def _runs(self, sections: Sequence[Section], members: NDArray[np.void]) -> list[list[int]]:
        """Divide those of *sections* that lack a filter into runs, as lists of places; *members* are their minutes."""
        minutes = members["id"].astype(np.int64)
        entries = np.array([len(each.layout.ends) for each in sections], np.int64)
        is_whole = np.array([each.start == 0 for each in sections], np.bool_)
        is_wanted = (
            is_whole
            & (entries == members["entries"])
            & (self._covered().counts(minutes) < entries)
            & self._source.resting(minutes, _REST_S)
        )
        places = is_wanted.nonzero()[0]
        ends = entries[places].cumsum()
        if not len(ends) or ends[-1] < _EVENTS // 2:
            return []
        numbers = (ends - entries[places]) // _EVENTS
        # What is left at the end belongs to the run before it.
        numbers = np.minimum(numbers, max(int(ends[-1]) // _EVENTS - 1, 0))
        turns = (numbers[1:] != numbers[:-1]).nonzero()[0] + 1
        return [each.tolist() for each in np.split(places, turns)]

    def _covered(self) -> FirstEntries:
        """Return how many of the first entries of minutes have a filter."""
        found: FirstEntries | None = self._cache.get("covered")
        return FirstEntries() if found is None else found

    def _note_covered(self, minutes: NDArray[np.int64], entries: NDArray[np.int64]) -> bool:
        """Note that the first *entries* of *minutes* have a filter; return whether that was not known of all of them."""
        with self._lock:
            covered = self._covered()
            is_new = bool((covered.counts(minutes) < entries).any())
            covered.note(minutes, entries)
            self._cache.put("covered", covered, _COLUMN_SIZE + covered.memory_size)
        return is_new


def _building(builder: Builder, judge: Judge) -> Judge:
    """Return what judges as *judge* does, and adds the contents to *builder*."""

    def judge_and_add(
        data: bytes, edges: NDArray[np.int64], contents: Contents
    ) -> NDArray[np.bool_]:
        builder.add(join_lines(data, *contents).text)
        return judge(data, edges, contents)

    return judge_and_add


def _no_verdict(_data: bytes, edges: NDArray[np.int64], _contents: Contents) -> NDArray[np.bool_]:
    """Return nothing of interest."""
    return np.zeros(len(edges) - 1, np.bool_)
