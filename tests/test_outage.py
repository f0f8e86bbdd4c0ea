"""The logs of an outage: always the same, and they tell what they are said to tell."""

import re
from collections import Counter
from pathlib import Path

import pytest
from outage.__main__ import main
from outage.events import events
from outage.services import SERVICES, seconds_at

from store import Event
from store.format.levels import LEVELS
from store.matching.event import level_of_event

MIDNIGHT_S = 1763856000
ERR = LEVELS.index("err") + 1
FAILING = ["orders-db", "orders", "inventory", "payments", "cart", "web", "gateway", "search"]


@pytest.fixture(scope="module")
def logged() -> list[Event]:
    return list(events())


@pytest.fixture(scope="module")
def errors(logged: list[Event]) -> list[Event]:
    return [event for event in logged if 0 < level_of_event(event) <= ERR]


def clock_of(event: Event) -> float:
    """Seconds since midnight."""
    return event.timestamp - MIDNIGHT_S


def test_it_is_always_the_same(logged: list[Event]) -> None:
    assert list(events()) == logged


def test_it_is_two_hours_of_twelve_services(logged: list[Event]) -> None:
    """The oldest event is first, and ids tell events apart."""
    assert len(logged) == pytest.approx(58_000, abs=100)
    assert {event.source for event in logged} == {service.name for service in SERVICES}
    assert len(SERVICES) == 12
    times = [event.ticks for event in logged]
    assert times == sorted(times)
    assert seconds_at("09:00:00") <= clock_of(logged[0])
    assert clock_of(logged[-1]) < seconds_at("11:00:00")
    assert len({event.id for event in logged}) == len(logged)


def test_services_fail_in_their_order(errors: list[Event]) -> None:
    """Nothing fails before; and after the fault only the one that has nothing to do with it."""
    assert list(dict.fromkeys(event.source for event in errors)) == FAILING
    assert clock_of(errors[0]) == pytest.approx(seconds_at("09:41:12"), abs=1)
    after = {event.source for event in errors if clock_of(event) > seconds_at("10:31:21")}
    assert after == {"search"}


def test_one_minute_is_the_worst(errors: list[Event]) -> None:
    minutes = Counter(clock_of(event) // 60 for event in errors)
    (worst, most), (_, next_most) = minutes.most_common(2)
    assert worst * 60 == seconds_at("10:14:00")
    assert most > next_most * 1.1


def test_only_one_kind_of_message_that_is_no_error_is_new(
    logged: list[Event], errors: list[Event]
) -> None:
    """All others are there from the first minutes on, and what began it begins before the first error."""
    first: dict[str, Event] = {}
    for event in logged:
        kind = re.sub(r"[0-9a-f]*\d[0-9a-f]*", "N", event.content or "")
        first.setdefault(re.sub(r"\b[a-f]{8}\b", "N", kind), event)
    is_error = {event.id for event in errors}
    new = [
        event
        for event in first.values()
        if clock_of(event) > seconds_at("09:05:00")
        and event.id not in is_error
        and "503" not in (event.content or "")
    ]
    assert [event.source for event in new] == ["reports", "reports"]
    assert clock_of(new[0]) < clock_of(errors[0])


def test_only_one_service_has_no_tags(logged: list[Event]) -> None:
    assert {event.source for event in logged if not event.tags} == {"backup"}


def test_the_number_of_a_status_is_elsewhere_too(logged: list[Event]) -> None:
    found = [event for event in logged if "503" in (event.content or "")]
    assert len([event for event in found if '" 503 ' in (event.content or "")]) < len(found) * 0.6


def test_log_files_have_the_same_events(logged: list[Event], tmp_path: Path) -> None:
    """A file for each service."""
    assert main(["--plain", str(tmp_path / "logs")]) == 0
    lines = {path.stem: path.read_text().splitlines() for path in (tmp_path / "logs").iterdir()}
    assert lines.keys() == {service.name for service in SERVICES}
    expected = [event.content for event in logged if event.source == "cart"]
    assert [line.split(" ", 2)[2] for line in lines["cart"]] == expected
    assert re.fullmatch(r"2025-11-23T09:0\d:\d\d\.\d{6}Z \[http,shop\] .*", lines["cart"][0])


def test_nothing_is_written_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    assert main([str(tmp_path)]) == 1
    assert main([str(tmp_path / "a")]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
