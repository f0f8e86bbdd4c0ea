"""No bytes from outside break a parser: no exception but the documented ones, no endless work, bounded memory."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import MalformedEvent
from store.format.scan import scan
from tests import fuzz_targets
from tests.fuzz_targets import TARGETS

INPUTS = 200
SEEDS_MAX = 10
MEMORY_MAX = 64 << 20


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Inputs made of pieces of others: some bytes are cut out, and others, or what another input has there, put in their place."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(start + 20, len(data))))
        other = draw(st.sampled_from(seeds))
        piece = draw(st.one_of(st.binary(max_size=4), st.just(other[start:end]), st.just(other)))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_keeps_its_promises(name: str) -> None:
    """For any bytes, and for changed inputs of the right form."""
    run, seeds, _ = TARGETS[name]

    @settings(max_examples=INPUTS)
    @given(st.one_of(mutated(list(seeds)), st.binary(max_size=200)))
    def check(data: bytes) -> None:
        run(data)

    check()


@pytest.mark.parametrize("name", TARGETS)
def test_memory_is_bounded(name: str) -> None:
    """By the size of the input, for large ones of any form."""
    run, seeds, size_max = TARGETS[name]
    for seed in seeds[:: len(seeds) // SEEDS_MAX + 1]:
        data = (seed or b"\n") * (size_max // max(len(seed), 1))
        tracemalloc.start()
        run(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MEMORY_MAX, seed


def test_a_broken_promise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that is not documented reaches the caller."""

    def broken(*arguments: object) -> object:
        raise MalformedEvent

    monkeypatch.setattr(fuzz_targets, "scan", broken)
    assert scan is not broken
    with pytest.raises(MalformedEvent):
        TARGETS["records"].run(b"x")
