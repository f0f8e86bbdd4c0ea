"""Comparisons: the same work done by us and by peers, in turn."""

from collections.abc import Callable
from typing import NamedTuple

from benchmark.table import Measurement, Row, Target, checked

__all__ = ["Result", "Rival", "alone", "compare"]


class Result(NamedTuple):
    """The result of a case.

    Attributes:
        rows: of the table.
        remarks: what is to be said besides, each one line.
    """

    rows: list[Row]
    remarks: tuple[str, ...] = ()


class Rival(NamedTuple):
    """A peer in one comparison.

    Attributes:
        name: of the peer.
        run: does the same work.
        target: what is to be reached; None when it is only to be known.
        shows_rate: whether to show events per second where there is no target.
    """

    name: str
    run: Callable[[], Measurement]
    target: Target | None
    shows_rate: bool = False


def compare(
    what: str,
    repetitions: int,
    ours: Callable[[], Measurement],
    rivals: list[Rival],
    expected: int,
) -> list[Row]:
    """Run *ours* and *rivals* in turn, *repetitions* times.

    Args:
        what: the work.
        repetitions: how often.
        ours: does it on a mount of ours.
        rivals: do it without.
        expected: how many events each has to have.

    Raises:
        WrongAnswer: if one of them has another number.
    """
    runs: dict[str, list[Measurement]] = {rival.name: [] for rival in rivals}
    own: list[Measurement] = []
    for _ in range(repetitions):
        own.append(checked(what, "ours", ours(), expected))
        for rival in rivals:
            runs[rival.name].append(checked(what, rival.name, rival.run(), expected))
    return [
        Row(what, rival.name, own, runs[rival.name], rival.target, rival.shows_rate)
        for rival in rivals
    ]


def alone(what: str, repetitions: int, ours: Callable[[], Measurement], expected: int) -> Row:
    """Run *ours* *repetitions* times, for want of a peer.

    Raises:
        WrongAnswer: if it has another number of events than expected.
    """
    return Row(what, "", [checked(what, "ours", ours(), expected) for _ in range(repetitions)])
