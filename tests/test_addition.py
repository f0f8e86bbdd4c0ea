"""A path says of the events that are appended there what makes them show up there, or nothing."""

import pytest

from store import AtLevel, During, Filter, FromSource, HasTag, Matches, Not, Query, Untagged
from theiafs.addition import Addition

__all__ = ["addition_of"]


def addition_of(query: Query) -> Addition:
    """Return what the directory of *query* says of the events appended there."""
    found = Addition.of(query)
    assert found is not None
    return found


def test_alternatives_of_tags_are_all_added() -> None:
    """An event may have all of them."""
    assert addition_of(Query().tagged("b", "a").tagged("c")).tags == ["a", "b", "c"]


@pytest.mark.parametrize(
    "added",
    [
        Untagged(),
        Matches("x"),
        Not(HasTag(frozenset("a"))),
        Not(During(0, 10)),
        FromSource(frozenset("ab")),
        AtLevel(frozenset({"err", "crit"})),
    ],
)
def test_a_path_that_is_ambiguous_adds_nothing(added: Filter) -> None:
    """There is no telling what would make an event show up there."""
    assert Addition.of(Query().tagged("web").where(added)) is None


def test_sources_that_exclude_each_other_leave_one_or_none() -> None:
    """They count together."""
    of_both = Query().where(FromSource(frozenset("ab")))
    assert addition_of(of_both.where(FromSource(frozenset("bc")))).source == "b"
    assert Addition.of(of_both.where(FromSource(frozenset("cd")))) is None


def test_a_level_is_a_tag() -> None:
    """Unless a tag of the path says another one, which would count first."""
    at_err = AtLevel(frozenset({"err"}))
    assert addition_of(Query().where(at_err)).tags == ["level=err"]
    assert addition_of(Query().tagged("level=ERROR").where(at_err)).tags == [
        "level=ERROR",
        "level=err",
    ]
    assert Addition.of(Query().tagged("level=info").where(at_err)) is None
    both = Query().where(AtLevel(frozenset({"err", "info"}))).where(at_err)
    assert addition_of(both).tags == ["level=err"]
    assert Addition.of(both.where(AtLevel(frozenset({"info"})))) is None
