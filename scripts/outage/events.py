"""The events of the outage, in the order of their times."""

import random
from collections.abc import Iterator, Mapping
from string import Template

from outage.services import SERVICES, Failure, Service, seconds_at
from store import TICKS_PER_S, Event

__all__ = ["events"]

_SEED = 20251123
_MIDNIGHT = 1763856000
"""The start of 2025-11-23 in UTC, in seconds since the epoch."""
_START, _END = seconds_at("09:00:00"), seconds_at("11:00:00")
_ORDINARY_EVENTS = 58_000
_WORST_MINUTE = seconds_at("10:14:00")
_GROWTH_S = 30 * 60
"""After this time a failure that is not steady has grown to three quarters of its worst."""
_US_PER_S = 1_000_000
_TICKS_PER_US = TICKS_PER_S // _US_PER_S

# What tells what happened: when, which service, and the message.
_STORY = (
    ("09:38:02", "reports", "INFO export $id of all orders started: 90 connections to orders-db"),
    ("10:31:20", "reports", "INFO export $id of all orders cancelled: 90 connections closed"),
)


class _Values(Mapping[str, str]):
    """Values for templates, drawn when they are asked for."""

    def __init__(self, chance: random.Random) -> None:
        draw = chance.randint
        self._draw = {
            "bytes": lambda: str(draw(200, 9000)),
            "few": lambda: str(draw(1, 9)),
            "hex": lambda: f"{chance.getrandbits(32):08x}",
            "id": lambda: str(draw(10_000, 99_999)),
            "ip": lambda: f"10.{draw(0, 9)}.{draw(0, 99)}.{draw(1, 250)}",
            "ms": lambda: str(draw(1, 600)),
        }

    def __getitem__(self, name: str) -> str:
        return self._draw[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._draw)

    def __len__(self) -> int:
        return len(self._draw)


def events() -> Iterator[Event]:
    """Yield the events of the outage, the oldest first."""
    chance = random.Random(_SEED)
    values = _Values(chance)
    by_name = {service.name: service for service in SERVICES}
    for us, name, message in sorted(_messages(chance), key=lambda each: each[0]):
        yield Event(
            _id(us, chance),
            name,
            tags=list(by_name[name].tags),
            content=Template(message).substitute(values),
            ticks=us * _TICKS_PER_US,
        )


def _messages(chance: random.Random) -> Iterator[tuple[int, str, str]]:
    """Yield the time of each event, in microseconds since the epoch, its service, and the template of its message."""
    for clock, name, message in _STORY:
        yield _us_at(seconds_at(clock), chance), name, message
    for each in SERVICES:
        if each.failure is not None:
            yield _us_at(each.failure.start, chance), each.name, each.failure.messages[-1]
    weights = [service.weight for service in SERVICES]
    for service in chance.choices(SERVICES, weights, k=_ORDINARY_EVENTS):
        second = chance.randrange(_START, _END)
        yield _us_at(second, chance), service.name, _message(service, second, chance)


def _message(service: Service, second: int, chance: random.Random) -> str:
    """Return the template of a message that *service* logs at a *second* since midnight."""
    failure = service.failure
    if failure is not None and chance.random() < _share(failure, second):
        return chance.choice(failure.messages)
    return chance.choice(service.messages)


def _share(failure: Failure, second: int) -> float:
    """Return how many of the events of a service tell of its *failure* at a *second* since midnight."""
    if not failure.start < second < failure.end:
        return 0
    if failure.is_steady or _WORST_MINUTE <= second < _WORST_MINUTE + 60:
        return failure.share
    return failure.share * min((second - failure.start) / _GROWTH_S, 1) * 0.75


def _us_at(second: int, chance: random.Random) -> int:
    """Return a moment within a *second* since midnight, in microseconds since the epoch."""
    return (_MIDNIGHT + second) * _US_PER_S + chance.randrange(_US_PER_S)


def _id(us: int, chance: random.Random) -> str:
    """Return a UUIDv7 of the time *us*, in microseconds since the epoch."""
    stamp = f"{us // 1000:012x}"
    bits = chance.getrandbits
    return f"{stamp[:8]}-{stamp[8:]}-7{bits(12):03x}-{0x8000 | bits(14):04x}-{bits(48):012x}"
