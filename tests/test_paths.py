"""Paths mean what the grammar says."""

import pytest

from store import Query
from theiafs.errors import InvalidName, NameTooLong, NotFound
from theiafs.names import unescape
from theiafs.paths import FILTERS_MAX, Kind, Location, Paths, Tags, to_query
from theiafs.timerange import Last, Range


def parse(path: str) -> Location:
    return Paths(lambda name: unescape(name, ())).locate(path)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", Location(Kind.ROOT)),
        ("/README", Location(Kind.README)),
        ("/latest", Location(Kind.LATEST)),
        ("/minutes", Location(Kind.MINUTES)),
        ("/minutes/10-70", Location(Kind.MINUTE, minute="10-70")),
        ("/ingest", Location(Kind.INGEST)),
        ("/events", Location(Kind.EVENTS)),
        ("/by-tag", Location(Kind.BY_TAG)),
        ("/range", Location(Kind.RANGE)),
        ("/by-tag/web", Location(Kind.QUERY, (Tags(("web",)),))),
        ("/by-tag/by-tag", Location(Kind.QUERY, (Tags(("by-tag",)),))),
        ("/by-tag/web,db/count", Location(Kind.COUNT, (Tags(("web", "db")),))),
        ("/by-tag/a%2Fb/10-70", Location(Kind.MINUTE, (Tags(("a/b",)),), "10-70")),
        ("/range/1-2/by-tag", Location(Kind.BY_TAG, (Range(1, 2),))),
        ("/range/last-15m/by-tag/x/events", Location(Kind.EVENTS, (Last(900), Tags(("x",))))),
    ],
)
def test_a_path_is_filters_and_a_leaf(path: str, location: Location) -> None:
    """Every form of the grammar is understood."""
    assert parse(path)._replace(query=None) == location._replace(query=None)


def test_a_query_that_depends_on_the_moment() -> None:
    """It is known when it is asked for; any other is known at once."""
    assert parse("/by-tag/a/range/1-2/events").query == Query().tagged("a").within(1, 2)
    moving = parse("/range/last-1m/by-tag/a/1-2")
    assert moving.query is None
    assert moving.query_at(100) == Query().tagged("a").within(40, float("inf"))


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/10-70", "/minutes/x", "/minutes/events", "/minutes/10-70/x", "/README/x", "/latest/x",
        "/events/x", "/by-tag/web/nothing", "/by-tag/web/events/x", "/by-tag/web/10-70/x", "/.git", "/by-tag/.git",
        "/range/.git", "/range/autorun.inf", "/by-tag/web/.hidden", "/range/Thumbs.db", "/by-tag/web/README",
    ],
)  # fmt: skip
def test_a_path_outside_the_grammar_is_not_found(path: str) -> None:
    """What programs probe for is answered as cheaply as what nobody means."""
    with pytest.raises(NotFound):
        parse(path)


@pytest.mark.parametrize("path", ["/range/x", "/range/2-1/events", "/by-tag/a,,b", "/by-tag/,a"])
def test_a_name_that_means_nothing_where_it_could_is_invalid(path: str) -> None:
    """A typo is seen."""
    with pytest.raises(InvalidName):
        parse(path)


def test_filters_nest_so_deep_and_no_deeper() -> None:
    """Sixteen filters are a path; neither is one more, nor the directory that would lead there."""
    deep = "/by-tag/x" * FILTERS_MAX
    assert len(parse(deep).filters) == FILTERS_MAX == 16
    assert parse(deep + "/events").kind is Kind.EVENTS
    for beyond in ("/by-tag", "/range", "/by-tag/x", "/range/1-2"):
        with pytest.raises(NotFound):
            parse(deep + beyond)


def test_a_tag_longer_than_names_are_is_refused() -> None:
    """The limit counts bytes, as the kernel does, and holds for each of several tags."""
    assert parse("/by-tag/" + "é" * 127 + "," + "x" * 255).kind is Kind.QUERY
    with pytest.raises(NameTooLong):
        parse("/by-tag/web," + "é" * 128)


def test_filters_are_a_conjunction_whatever_their_order() -> None:
    """Ranges intersect, and the order of filters does not matter."""
    one = parse("/by-tag/a/range/0-10/by-tag/b,c/range/5-20").filters
    other = parse("/range/5-20/by-tag/c,b/range/0-10/by-tag/a").filters
    assert (
        to_query(one, 0) == to_query(other, 0) == Query().tagged("a").tagged("b", "c").within(5, 10)
    )


def test_a_relative_range_reaches_back_from_the_moment() -> None:
    """It has no end, for what arrives while somebody reads belongs to it."""
    assert to_query((Last(900),), 1000.0) == Query().within(100, float("inf"))
