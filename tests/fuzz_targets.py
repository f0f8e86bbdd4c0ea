"""The parsers that get bytes from outside, each with what it promises of any bytes.

A target raises for a broken promise, and ends for all others: the documented exceptions of a parser are part of it. The test
suite runs each for some hundred inputs, ``scripts/fuzz`` for as long as it is told.
"""

import contextlib
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from store import (
    TICKS_MAX,
    Batch,
    During,
    EOFException,
    Event,
    EventParser,
    EventStoreException,
    InvalidEvent,
    InvalidPattern,
    MalformedEvent,
    Query,
)
from store.format.block import read_block
from store.format.contents import find_contents
from store.format.level_columns import levels_of
from store.format.levels import level_of
from store.format.record import parse
from store.format.scan import scan, scan_blocks
from store.index.disturbances import DISTURBANCE
from store.index.lines import sizes_of, unpack_line_totals
from store.index.row import ROW, MinuteRow
from store.index.rows import (
    CORRUPT,
    check_snapshot,
    check_summaries,
    hashes_of,
    layout_of,
    pack_row,
    pack_totals,
    summary_of,
    unpack_totals,
)
from store.index.stream_totals import StreamTotals
from store.index.summary import SUMMARY
from store.index.trigrams import build, may_contain
from store.matching.literals import required_literals
from store.matching.pattern import compile_pattern
from store.minutes.names import parse_name
from store.wal.segment import LogRecord, read_records, reader_of
from tests.doubles import ListStore
from tests.renderings import HOSTILE, check_line, edges_of, encode_record
from theiafs.addition import Addition
from theiafs.config import parse_options
from theiafs.doors import Doors
from theiafs.errorlog import ErrorLog
from theiafs.errors import FilesystemError, InvalidName, MountError, NameTooLong, NotFound
from theiafs.ingest import IngestBuffer
from theiafs.lineviews import LINE_VIEWS
from theiafs.names import escape, unescape
from theiafs.nodes import Directory, File
from theiafs.origin import Origin
from theiafs.processes import Process
from theiafs.rendering.patterns import Patterns
from theiafs.timerange import now_in_ticks, parse_date, parse_range
from theiafs.tree import Tree
from theiafs.viewlinks import normal_target, stays_inside

__all__ = ["TARGETS", "Target"]

_WHEN = 17_954_289_001_234_567
_EVENT_SIZE_MAX = 1 << 12
_STREAM_COUNT = 3
_PATH_SIZE_MAX = 1 << 12
_ROW = MinuteRow(0, 0, 60, size=100, bytes=100, entries=2, events=2, oldest=0, newest=1)
_PARTS = b"\0"
_IN_COLUMNS = 21
"""A number of records that are not rendered one by one."""
"""Separates the parts of an input, for targets that take several."""


class Target(NamedTuple):
    """A parser, as a function of any bytes, and inputs to begin with; the kernel passes on names up to *size_max* bytes."""

    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    size_max: int = 1 << 14


def _parts(data: bytes, count: int) -> list[bytes]:
    """Divide *data* into *count* parts; those that are missing are empty."""
    found = data.split(_PARTS, count - 1)
    return found + [b""] * (count - len(found))


def _reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, size: data[offset : offset + size]


def _records(data: bytes) -> None:
    """Records and damage are without gaps, the same in blocks; theia's parser ends with one of its exceptions."""
    found = list(scan(_reader(data), len(data)))
    assert sum(each.size for each in found) == len(data)
    blocks = scan_blocks(_reader(data), len(data))
    assert sum(each.size for each in blocks) == len(data)
    stream = io.BytesIO(data)
    with contextlib.suppress(EOFException, MalformedEvent):
        while True:
            EventParser().parse_event(stream)


def _blocks(data: bytes) -> None:
    """Records that are parsed together are those that are parsed one by one."""
    found = read_block(data)
    for start, ticks in zip(found.starts.tolist(), found.ticks.tolist(), strict=True):
        record = parse(data, start)
        assert record is not None
        assert record.header.ticks == ticks


def _ingest(data: bytes) -> None:
    """Refused bytes are an InvalidEvent, kept ones are bounded, and every event that is saved can be read back."""
    origin = Origin("fuzz", _WHEN)
    addition = Addition.of(Query())
    assert addition is not None
    buffer = IngestBuffer(addition, _EVENT_SIZE_MAX)
    saved: list[Batch] = []
    step, rest = max(data[:1], b"\1")[0], data[1:]
    while rest:
        piece = rest[:step]
        accepted = len(piece)
        with contextlib.suppress(InvalidEvent):
            accepted = buffer.append(piece, origin, saved.append)
            assert 0 < accepted <= len(piece)
        rest = rest[accepted:]
        assert len(buffer._partial) <= _EVENT_SIZE_MAX + 200  # its first line
    with contextlib.suppress(InvalidEvent):
        buffer.finish(origin, saved.append)
    for batch in saved:
        assert len(list(batch.events())) == len(batch)


def _paths(data: bytes) -> None:
    """Any path is a node whose attributes, names and bytes can be read, or one of the documented exceptions."""
    store = ListStore()
    store.save(Event("1", "app", 1763856000.0, ["web", "a/b"], "ERROR one"))
    store.save(Event("2", "%\udcff", 5.0, [], "two\nlines"))
    store.save_view("v", "../by-tag/web")
    tree = Tree(store, Doors(_EVENT_SIZE_MAX))
    path, target = (part.decode(errors="replace") for part in _parts(data, 2))
    path = "/" + path.strip("/")
    asked: list[Callable[[], object]] = [
        lambda: _read_node(tree, path),
        lambda: tree.make_directory(path),
        lambda: tree.make_view(path, target),
        lambda: tree.rename_view("/views/v", path, replaces=True),
        lambda: tree.remove_view(path),
    ]
    for ask in asked:
        with contextlib.suppress(FilesystemError, EventStoreException):
            ask()


def _read_node(tree: Tree, path: str) -> None:
    node = tree.resolve(path)
    node.attributes()
    if isinstance(node, Directory):
        names = [name for entries in node.entries() for name in entries.names]
        assert not [name for name in names if "/" in name or not name]
    elif isinstance(node, File):
        handle = tree.open(path, to_write=False)
        handle.read(0, _EVENT_SIZE_MAX)
        handle.release()


def _ranges(data: bytes) -> None:
    """A name is a range with an order, within the times that there are, or an InvalidName."""
    name = data.decode(errors="replace")
    for read in (parse_range, parse_date):
        with contextlib.suppress(InvalidName):
            found = read(name)
            during = found if isinstance(found, During) else found.at(now_in_ticks())
            assert 0 <= during.start <= during.end <= TICKS_MAX


def _expressions(data: bytes) -> None:
    """A text is an expression or an InvalidPattern, and what it matches has the literals that it needs."""
    text, content = _parts(data, 2)
    try:
        pattern = compile_pattern(text.decode(errors="replace"))
    except InvalidPattern:
        return
    starts = np.array([0], np.int64)
    needs = required_literals(pattern.text)
    if pattern.search(content + b"\n", starts, starts + len(content))[0]:
        assert all(any(each in content.lower() for each in alternatives) for alternatives in needs)
        assert may_contain(build([content], 1 << 12), needs)


def _names(data: bytes) -> None:
    """A tag has one name that leads back to it, and a name one tag or none."""
    text = data.decode(errors="surrogateescape")
    name = escape(text)
    assert "/" not in name
    assert unescape(name, lambda: [text]) == text
    with contextlib.suppress(FilesystemError):
        assert escape(unescape(text, list)) == text
    with contextlib.suppress(NotFound, NameTooLong):
        unescape(text + "%%", list)


def _index_rows(data: bytes) -> None:
    """A row of the index that cannot be is one of CORRUPT, also when its checksum is right."""
    sealed = zlib.crc32(data[4:]).to_bytes(4, "little") + data[4:]
    first, second = _parts(data, 2)
    rows = np.frombuffer(data[: len(data) // ROW.itemsize * ROW.itemsize], ROW)
    filter_ = b"".join([build([b"abc"], 1 << 8)[:1], data])
    for unpack in (
        lambda: unpack_totals(data),
        lambda: summary_of(data, _STREAM_COUNT),
        lambda: check_summaries(rows, [data[: 2 * SUMMARY.itemsize]] * len(rows)),
        lambda: check_snapshot(first, second),
        lambda: check_snapshot(rows.tobytes(), data[rows.nbytes :]),
        lambda: layout_of(sealed, _ROW, _STREAM_COUNT),
        lambda: hashes_of(pack_row(_ROW), sealed, _ROW),
        lambda: sizes_of(sealed, _ROW),
        lambda: unpack_line_totals(data, _STREAM_COUNT),
        lambda: may_contain(filter_, [[b"abc"]]),
    ):
        with contextlib.suppress(*CORRUPT):
            unpack()


def _log_segments(data: bytes) -> None:
    """Records of the write-ahead log, and damage between them, are without gaps."""
    position = 0
    for found in read_records(reader_of(data), 0, len(data)):
        assert found.start == position < found.end
        position = found.end
    assert position == len(data)


def _lines(data: bytes) -> None:
    """An event is one line in every view, of the size that is said before; it has one level, however that is found."""
    *words, content = _parts(data, 4)
    event_id, source, tags = (word.replace(b"\n", b" ") for word in words)
    record = encode_record(_WHEN, event_id, source, tags, content)
    for view in LINE_VIEWS:
        line = view.render(record, edges_of([record]))
        check_line(line)
        # Few are rendered one by one, and many in columns.
        for count in (2, _IN_COLUMNS):
            edges = edges_of([record] * count)
            assert view.sizes(record * count, edges).tolist() == [len(line)] * count
            assert view.render(record * count, edges) == line * count
    edges = edges_of([record] * 2)
    contents = find_contents(record * 2, edges)
    assert levels_of(record * 2, edges, contents).tolist() == [level_of(tags, content)] * 2


def _patterns(data: bytes) -> None:
    """Each message is counted once, in a template of one line."""
    lines = data.split(_PARTS)
    joined = b"\0".join(lines) + b"\0"
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    starts = np.append(0, ends[:-1] + 1)
    found = Patterns()
    found.add(joined, starts, ends, np.arange(len(lines)))
    shown = found.render().splitlines(keepends=True)
    assert sum(int(line.split(b"\t")[0]) for line in shown) == len(lines)
    for line in shown:
        check_line(line)


def _errors(data: bytes) -> None:
    """An error is one line, with a caret perhaps, whatever the names in it."""
    command, path, message, kept = _parts(data, 4)
    name = path.decode(errors="replace")
    errors = ErrorLog(kept)
    before = errors.size()
    process = Process(1, command.decode(errors="surrogateescape"))
    error = InvalidName(message.decode(errors="surrogateescape"), name, len(name) // 2)
    errors.add(process, "open", f"/range/{name}".encode(), error)
    added = errors.read(before, 1 << 20).splitlines(keepends=True)
    assert 1 <= len(added) <= 2
    for line in errors.read(0, 1 << 20).splitlines(keepends=True):
        check_line(line)


def _targets_of_views(data: bytes) -> None:
    """The normal form of a target stays inside, and is its own."""
    with contextlib.suppress(InvalidName):
        normal = normal_target(data.decode(errors="replace"))
        assert stays_inside(normal)
        assert normal_target(normal) == normal


def _options(data: bytes) -> None:
    """Options, and names of minutes, are valid or not."""
    text = data.decode(errors="replace")
    parse_name(text)
    with contextlib.suppress(MountError):
        assert parse_options(parse_options(text).options)


def _seeds(*parts: Sequence[bytes]) -> Iterator[bytes]:
    """Yield inputs of several parts, each from its own list."""
    for row in range(max(map(len, parts))):
        yield _PARTS.join(part[row % len(part)] for part in parts)


_RECORDS = [
    *(encode_record(_WHEN, b"1", b"app", b"web,db", content) for content in (b"one", b"", b"a\n\nb")),
    encode_record(5, b"", b"", b"", HOSTILE[-3]),
    b"event: 1 2", b"event: 73 66 7\nid:event-1\ntimestamp: 10.0000000\nsource:/s\ntags:\n", b"event: 999999999 9 9\n",
]  # fmt: skip
_NAMES = [
    b"", b"README", b"status", b"errors", b"ingest", b"by-tag/web/events.log", b"by-tag/web,db/not/by-level/err+/count", b"untagged/levels",
    b"by-source/%25%FF/events.jsonl", b"by-date/2025-11/histogram", b"match/ERR|x%2F/patterns", b"range/2025..2026/tags", b"minutes/5-65.log",
    b"by-id/1", b"views/v", b"latest", b"by-tag/a%2Fb/.count", b"not/range/last-5m/sources", b"by-tag/x\0../by-tag/web",
]  # fmt: skip
_TIMES = [
    b"2025", b"2025-11-23..2025-11", b"20251123T101541.5+01:00..", b"..1763800000", b"@5-@7", b"last-5m", b"newest-2w", b"today~30s",
    b"1763800000000-1763800000001", b"2025-11-23T10:15-10:30", b"yesterday..today", b"99999999999999999999", b"2025-02-29",
]  # fmt: skip
_EXPRESSIONS = [
    b"ERROR|WARN", rb"(?i)disk\s+full", rb"^\d{1,3}(\.\d+)*$", rb"\A(a+)+\z", rb"\C[^z]*k", rb"\pL\x{10FFFF}", rb"\Qa.b\E(?P<n>x)", b"(", b"[",
    b"a{1000}{1000}", b"(?-m)^x$", "é日🙂".encode(),
]  # fmt: skip
_SEGMENT = b"".join(
    LogRecord("60-120", offset, b"data", False).encode()[0] + b"data" for offset in (0, 4)
)
_TOTALS = [np.array(each, np.int64) for each in ([0, 2], [0, 100], [0, 1], [0, 1])]
_SNAPSHOT = np.array([_ROW], ROW).tobytes() + pack_totals(
    StreamTotals(
        _TOTALS[0],
        _TOTALS[1],
        _TOTALS[2],
        _TOTALS[3],
        np.zeros(2),
        np.array([0], np.uint32),
        0.0,
        np.array([(0, 5, 1.0)], DISTURBANCE),
    )
)
_CONTENTS = [
    b"plain", b'{"level":"error","msg":"x"}', b"level=warn a=1", b"<13>boot", b"[info ] x", b"10.0.0.1 - - GET 200 503 5ms", *HOSTILE,
]  # fmt: skip

TARGETS = {
    "records": Target(_records, _RECORDS),
    "blocks": Target(_blocks, [b"".join(_RECORDS[:4]), *_RECORDS]),
    "ingest": Target(_ingest, [bytes([step]) + b"line\n" + each for step in (1, 30, 255) for each in _RECORDS]),
    "paths": Target(_paths, _NAMES, _PATH_SIZE_MAX),
    "ranges": Target(_ranges, _TIMES, _PATH_SIZE_MAX),
    "expressions": Target(_expressions, list(_seeds(_EXPRESSIONS, _CONTENTS)), _PATH_SIZE_MAX),
    "names": Target(_names, [*_NAMES, *HOSTILE, b"x" * 300, b"%%", b"%2f"], _PATH_SIZE_MAX),
    "index-rows": Target(_index_rows, [_SNAPSHOT, *map(bytes, (0, 8, 40, 200))]),
    "log-segments": Target(_log_segments, [_SEGMENT, _SEGMENT[3:], b""]),
    "lines": Target(_lines, list(_seeds([b"1"], [b"app", *HOSTILE], [b"web,db", b"level=err", b""], _CONTENTS)), 1 << 11),
    "patterns": Target(_patterns, [_PARTS.join(_CONTENTS), *_CONTENTS]),
    "errors": Target(_errors, list(_seeds([b"cat"], [*_TIMES, *HOSTILE], [b"no"], [b"kept\n", b"\xff\n\n"])), _PATH_SIZE_MAX),
    "targets-of-views": Target(_targets_of_views, [b"../by-tag/web", b"..", b"/x", b"../..", b".//x/../y", b""], _PATH_SIZE_MAX),
    "options": Target(_options, [b"ro,uid=1,umask=022,memory=1M", b"flush=0,sync,log=x", b"60-120", b"x-y=z,,"], _PATH_SIZE_MAX),
}  # fmt: skip
"""The targets by name."""
