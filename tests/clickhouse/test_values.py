"""Values reach the engine as values only, whatever is in them; and patterns mean what they mean elsewhere."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import Event, EventNotFound, EventStore, FromSource, HasTag, Matches, Not, Query
from tests.patterns import HOSTILE, compiles, contents, found, patterns

HOSTILE_TEXTS = [
    "'", '"', "`", "\\", "\\'", "''", "a' OR '1'='1", "'); DROP TABLE events; --", "{v0:String}", "{x}", "%s", "%27", "\0", "a\0b", "\t", "\r",
    "\udcff\udc80", "/* */", "--", ";", "#", "$$", "0x27", "unhex('27')", "größe", "\U0001f600", "?", "&database=system", "=", "+", " ", "\\x27", "\\N",
]  # fmt: skip


def test_hostile_texts(open_at: Callable[..., EventStore]) -> None:
    """As a tag, a source, an id, a pattern, a content, a view, a state: each finds its own event, and no other."""
    store = open_at()
    store.save_all(Event(text, text, 1, [text], f"<{text}>") for text in HOSTILE_TEXTS)
    everything = set(HOSTILE_TEXTS)
    assert store.tags() == everything
    assert store.sources() == everything
    for text in HOSTILE_TEXTS:
        for each in (HasTag(frozenset({text})), FromSource(frozenset({text}))):
            assert [event.id for event in store.select(Query().where(each))] == [text]
            assert {event.id for event in store.select(Query().where(Not(each)))} == everything - {
                text
            }
        assert store.get(text).content == f"<{text}>"
        assert store.has_tag(text)
        assert not store.has_tag(f"{text}x")
        with pytest.raises(EventNotFound):
            store.get(f"{text}x")
        store.write_state(text, text.encode("utf-8", "surrogateescape"))
        if "/" not in text and "\0" not in text:
            store.save_view(text, text)
            assert store.views()[text] == text
    for text in HOSTILE_TEXTS:
        assert store.read_state(text) == text.encode("utf-8", "surrogateescape")
        store.delete(text)
        everything.remove(text)
        assert {event.id for event in store.select(Query())} == everything


CONTENTS = [
    b"",
    b"\n",
    b"a",
    b"abc",
    b"a\nb",
    b"\xff",
    b"\xe2\x84\xaa",
    b"\0",
    b"\n\n",
    b"abab",
    b"K",
    b"ab\r\nk",
    b"a.b",
    b"x after y",
]


@pytest.fixture
def searched(open_at: Callable[..., EventStore]) -> EventStore:
    store = open_at()
    store.save_all(
        Event(str(number), "s", 1, [], each.decode("utf-8", "surrogateescape"))
        for number, each in enumerate(CONTENTS)
    )
    return store


def matching(store: EventStore, pattern: str) -> set[str]:
    return {str(event.id) for event in store.select(Query().where(Matches(pattern)))}


def test_hostile_patterns(searched: EventStore) -> None:
    """Each matches the contents that it matches on minute files, where lines end and what a dot is included."""
    for pattern in filter(compiles, HOSTILE):
        wanted = {str(number) for number, each in enumerate(CONTENTS) if found(pattern, each)}
        assert matching(searched, pattern) == wanted, pattern


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(patterns, st.lists(contents, min_size=1, max_size=8))
def test_drawn_patterns(
    open_at: Callable[..., EventStore], pattern: str, drawn: list[bytes]
) -> None:
    """The same, of any pattern and contents."""
    store = open_at()
    tag = f"{hash((pattern, *drawn))}"
    store.save_all(
        Event(str(number), "s", 1, [tag], each.decode("utf-8", "surrogateescape"))
        for number, each in enumerate(drawn)
    )
    wanted = {str(number) for number, each in enumerate(drawn) if found(pattern, each)}
    query = Query().tagged(tag).where(Matches(pattern))
    assert {str(event.id) for event in store.select(query)} == wanted
    store.close()
