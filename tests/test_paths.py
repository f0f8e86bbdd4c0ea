"""Paths mean what the grammar says."""

from datetime import UTC

import pytest

from store import (
    TICKS_MAX,
    TICKS_PER_S,
    AtLevel,
    During,
    FromSource,
    HasTag,
    Matches,
    Not,
    Query,
    Untagged,
)
from theiafs.errors import InvalidName, NameTooLong, NotFound
from theiafs.names import unescape
from theiafs.paths import FILTERS_MAX, Location, Negated, NodeKind, Paths, to_query
from theiafs.timerange import Days, Last, Newest


def parse(path: str) -> Location:
    return Paths(lambda name: unescape(name, tuple), lambda name: unescape(name, tuple)).locate(
        path
    )


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", Location(NodeKind.ROOT)),
        ("/README", Location(NodeKind.README)),
        ("/latest", Location(NodeKind.LATEST)),
        ("/minutes", Location(NodeKind.MINUTES)),
        ("/minutes/10-70", Location(NodeKind.MINUTE, name="10-70")),
        ("/ingest", Location(NodeKind.INGEST)),
        ("/events", Location(NodeKind.EVENTS)),
        ("/by-tag", Location(NodeKind.BY_TAG)),
        ("/range", Location(NodeKind.RANGE)),
        ("/by-tag/web", Location(NodeKind.QUERY, (HasTag(frozenset({"web"})),))),
        ("/by-tag/by-tag", Location(NodeKind.QUERY, (HasTag(frozenset({"by-tag"})),))),
        (
            "/by-tag/web,db/count",
            Location(NodeKind.COUNT, (HasTag(frozenset({"web", "db"})),)),
        ),
        ("/by-tag/a%2Fb/10-70", Location(NodeKind.MINUTE, (HasTag(frozenset({"a/b"})),), "10-70")),
        ("/range/1-2/by-tag", Location(NodeKind.BY_TAG, (During(TICKS_PER_S, 2 * TICKS_PER_S),))),
        ("/by-source", Location(NodeKind.BY_SOURCE)),
        (
            "/by-source/a%2Cb,c/ingest",
            Location(NodeKind.INGEST, (FromSource(frozenset({"a,b", "c"})),)),
        ),
        ("/untagged/count", Location(NodeKind.COUNT, (Untagged(),))),
        ("/by-date", Location(NodeKind.BY_DATE)),
        ("/by-date/1970-01-01", Location(NodeKind.QUERY, (During(0, 86400 * TICKS_PER_S - 1),))),
        ("/not", Location(NodeKind.NOT, is_negated=True)),
        ("/not/by-tag", Location(NodeKind.BY_TAG, is_negated=True)),
        (
            "/not/by-tag/x/untagged/not/untagged/events",
            Location(
                NodeKind.EVENTS,
                (Not(HasTag(frozenset({"x"}))), Untagged(), Not(Untagged())),
            ),
        ),
        ("/by-level", Location(NodeKind.BY_LEVEL)),
        ("/by-level/Error", Location(NodeKind.QUERY, (AtLevel(frozenset({"err"})),))),
        (
            "/by-level/alert+,info/patterns",
            Location(NodeKind.PATTERNS, (AtLevel(frozenset({"emerg", "alert", "info"})),)),
        ),
        ("/match", Location(NodeKind.MATCH)),
        ("/match/a%2Fb%25 100%", Location(NodeKind.QUERY, (Matches("a/b% 100%"),))),
        ("/match/.*x", Location(NodeKind.QUERY, (Matches(".*x"),))),
        ("/not/match/..x", Location(NodeKind.QUERY, (Not(Matches("..x")),))),
        ("/not/range/last-15m", Location(NodeKind.QUERY, (Negated(Last(900 * TICKS_PER_S)),))),
        ("/by-id", Location(NodeKind.BY_ID)),
        ("/status", Location(NodeKind.STATUS)),
        ("/errors", Location(NodeKind.ERRORS)),
        ("/views", Location(NodeKind.VIEWS)),
        ("/views/web", Location(NodeKind.VIEW, name="web")),
        ("/views/.web", Location(NodeKind.VIEW, name=".web")),
        ("/views/..web", Location(NodeKind.VIEW, name="..web")),
        ("/by-id/x", Location(NodeKind.EVENT, name="x")),
        (
            "/range/last-15m/by-tag/x/events",
            Location(NodeKind.EVENTS, (Last(900 * TICKS_PER_S), HasTag(frozenset({"x"})))),
        ),
    ],
)
def test_a_path_is_filters_and_a_leaf(path: str, location: Location) -> None:
    """Every form of the grammar is understood."""
    assert parse(path)._replace(query=None) == location._replace(query=None)


def test_a_query_that_depends_on_the_moment() -> None:
    """It is known when it is asked for; any other is known at once."""
    fixed = parse("/by-tag/a/range/1-2/events").query
    assert fixed == Query().tagged("a").within(TICKS_PER_S, 2 * TICKS_PER_S)
    for name in ("last-1m", "1m", "newest-1m", "today", "yesterday..today"):
        assert parse(f"/range/{name}/by-tag/a/1-2").query is None


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/10-70", "/minutes/x", "/minutes/events", "/minutes/10-70/x", "/README/x", "/latest/x",
        "/events/x", "/by-tag/web/nothing", "/by-tag/web/events/x", "/by-tag/web/10-70/x", "/.git", "/by-tag/.git",
        "/range/.git", "/range/autorun.inf", "/not/not", "/not/events", "/not/1-2", "/not/by-tag/x/.git", "/by-date/Thumbs.db",
        "/by-id/x/y", "/by-tag/x/by-id", "/match/.git", "/match/.Trash-0", "/by-level/wrong", "/by-level/error++", "/by-level/.git",
        "/range/HEAD", "/by-date/HEAD", "/by-id/HEAD", "/by-id/desktop.ini", "/by-id/.git", "/by-tag/web/.hidden", "/range/Thumbs.db",
        "/by-tag/web/README", "/match/HEAD", "/a" * 2000,
    ],
)  # fmt: skip
def test_a_path_outside_the_grammar_is_not_found(path: str) -> None:
    """Names that programs probe for are not there, as cheaply as any other."""
    with pytest.raises(NotFound):
        parse(path)


@pytest.mark.parametrize(
    "path",
    [
        "/range/x",
        "/range/2-1/events",
        "/by-tag/a,,b",
        "/by-tag/,a",
        "/by-source/a,",
        "/by-date/2026-13-01",
        "/not/range/x",
    ],
)
def test_a_name_that_means_nothing_where_it_could_is_invalid(path: str) -> None:
    """A typo is seen."""
    with pytest.raises(InvalidName):
        parse(path)


def test_filters_nest_so_deep_and_no_deeper() -> None:
    """Sixteen filters are a path; neither is one more, nor the directory that would lead there."""
    deep = "/by-tag/x" * FILTERS_MAX
    assert len(parse(deep).filters) == FILTERS_MAX == 16
    assert parse(deep + "/events").kind is NodeKind.EVENTS
    for beyond in ("/by-tag", "/range", "/by-tag/x", "/range/1-2"):
        with pytest.raises(NotFound):
            parse(deep + beyond)


def test_a_tag_longer_than_names_are_is_refused() -> None:
    """The limit counts bytes, as the kernel does, and holds for each of several tags."""
    assert parse("/by-tag/" + "é" * 127 + "," + "x" * 255).kind is NodeKind.QUERY
    with pytest.raises(NameTooLong):
        parse("/by-tag/web," + "é" * 128)


def test_filters_are_a_conjunction_whatever_their_order() -> None:
    """Ranges intersect, and the order of filters does not matter."""
    one = parse("/by-tag/a/range/0-10/by-tag/b,c/range/5-20").filters
    other = parse("/range/5-20/by-tag/c,b/range/0-10/by-tag/a").filters
    expected = Query().tagged("a").tagged("b", "c").within(5 * TICKS_PER_S, 10 * TICKS_PER_S)
    assert to_query(one) == to_query(other) == expected


def test_a_relative_range_reaches_back_from_the_moment() -> None:
    """It has no end: an event that arrives while it is read belongs to it."""
    assert to_query((Last(900),), now=1000) == Query().within(100, TICKS_MAX)
    assert to_query((Newest(900),), now=1000, newest=950) == Query().within(50, TICKS_MAX)
    assert to_query((Last(900),), now=10) == Query()


def test_a_day_ends_at_midnight() -> None:
    """Yesterday is all of the day before that of the moment."""
    day = 86400 * TICKS_PER_S
    assert to_query((Days("yesterday", UTC),), now=5 * day) == Query().within(4 * day, 5 * day - 1)
    assert to_query((Days("yesterday", UTC),), now=6 * day - 1) == Query().within(
        4 * day, 5 * day - 1
    )
    with pytest.raises(InvalidName, match="ends before it starts"):
        to_query((Days("1970-01-05..yesterday", UTC),), now=4 * day)


def test_a_range_may_begin_with_its_dots() -> None:
    """A name that begins with one dot is still what programs probe for."""
    assert parse("/range/..2/events").query == Query().within(0, 2 * TICKS_PER_S)
    with pytest.raises(InvalidName):
        parse("/range/..x")
    for path in ("/range/.x", "/..", "/by-tag/..x"):
        with pytest.raises(NotFound):
            parse(path)
