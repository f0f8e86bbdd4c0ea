"""Each leaf and each filter: how long its first answer takes after mounting."""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from benchmark import mounts
from benchmark.answers import count_lines, count_openings, counted
from benchmark.comparisons import Result
from benchmark.data import Data
from benchmark.events import SOURCES, Event, Extent, minute_events, minute_name
from benchmark.scale import Scale
from benchmark.table import Measurement, Row, checked

__all__ = ["tree"]

_SOURCE = SOURCES[0]
_DAY = "2025-11-22"


class _Question(NamedTuple):
    """A file of the tree.

    Attributes:
        path: its path on the mount.
        count: returns how many events the file says that there are.
        is_of: whether an event is one of those.
    """

    path: str
    count: Callable[[bytes], int]
    is_of: Callable[[Event], bool]


def _counts(name: bytes) -> Callable[[bytes], int]:
    """Return what finds the count of *name* in lines that have a count and a name each."""
    return lambda answer: dict(_columns(answer))[name]


def _columns(answer: bytes) -> list[tuple[bytes, int]]:
    rows = (line.split(b"\t", 1) for line in answer.splitlines())
    return [(name, int(count)) for count, name in rows]


def _sum_of_counts(answer: bytes) -> int:
    return sum(count for _, count in _columns(answer))


def _sum_of_buckets(answer: bytes) -> int:
    return sum(int(line.split()[1]) for line in answer.splitlines())


def _is_web(event: Event) -> bool:
    return "web" in event.tags


def _is_error(event: Event) -> bool:
    return event.content.startswith("ERROR ")


def _questions(extent: Extent) -> list[_Question]:
    """Return what is asked of a store of *extent*: the leaves of one tag, and the count of each filter."""
    middle = extent.minutes // 2
    minute, first, last = minute_name(middle), extent.start_s(middle), extent.start_s(middle + 60)

    def is_of_minute(event: Event) -> bool:
        return _is_web(event) and first <= event.timestamp < first + 60

    def is_of_hour(event: Event) -> bool:
        return first <= event.timestamp < last

    leaves: list[tuple[str, Callable[[bytes], int], Callable[[Event], bool]]] = [
        ("events", count_openings, _is_web),
        ("events.log", count_lines, _is_web),
        ("events.jsonl", count_lines, _is_web),
        (minute, count_openings, is_of_minute),
        (f"{minute}.log", count_lines, is_of_minute),
        (f"{minute}.jsonl", count_lines, is_of_minute),
        ("count", int, _is_web),
        ("tags", _counts(b"web"), _is_web),
        ("sources", _sum_of_counts, _is_web),
        ("levels", _counts(b"err"), lambda event: _is_web(event) and _is_error(event)),
        ("histogram", _sum_of_buckets, _is_web),
        ("patterns", _sum_of_counts, _is_web),
    ]
    filters: list[tuple[str, Callable[[Event], bool]]] = [
        ("by-tag/web,db", lambda event: _is_web(event) or "db" in event.tags),
        (f"by-source/{_SOURCE}", lambda event: event.source == _SOURCE),
        ("by-level/error+", _is_error),
        (f"by-date/{_DAY}", lambda _event: True),
        (f"range/{first}..{last - 1}.9999999", is_of_hour),
        ("match/ERROR", lambda event: "ERROR" in event.content),
        ("not/by-tag/web", lambda event: not _is_web(event)),
        ("not/untagged", lambda event: bool(event.tags)),
    ]
    found = [_Question(f"by-tag/web/{leaf}", count, is_of) for leaf, count, is_of in leaves]
    return found + [_Question(f"{path}/count", int, is_of) for path, is_of in filters]


def tree(data: Data, scale: Scale) -> Result:
    """Ask for each leaf and each filter, each time right after mounting."""
    store, questions = data.store(scale.day), _questions(scale.day)
    expected = dict.fromkeys(questions, 0)
    for minute in range(scale.day.minutes):
        for event in minute_events(scale.day, minute):
            for question in questions:
                expected[question] += question.is_of(event)
    runs: dict[str, list[Measurement]] = defaultdict(list)
    for _ in range(scale.growth_repetitions):
        for question in questions:
            path = question.path
            with mounts.mounted(store) as mountpoint:
                answer = counted(f"exec cat '{mountpoint / path}'", question.count)
            runs[path].append(checked(path, "ours", answer, expected[question]))
    return Result(
        [Row(f"cat {path}, first after mounting", "", ours) for path, ours in runs.items()]
    )
