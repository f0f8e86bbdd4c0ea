"""A key table is a dict from byte strings to ids that takes less memory."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.index import keys as keys_module
from store.index.keys import ABSENT, KeyTable
from tests.counting import memory

HASHES: dict[str, Callable[[bytes], int]] = {
    "usual": hash,
    "all the same": lambda _key: 7,
    "few": lambda key: len(key) % 3,
    "last slots": lambda key: -1 - len(key) % 2,
}

keys = st.integers(0, 60).map(lambda number: b"x" * (number % 7) + b"%d" % number)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("assign"), st.lists(keys, max_size=40)),
        st.tuples(st.just("add"), keys),
        st.tuples(st.just("find"), keys),
        st.tuples(st.just("remove"), st.sets(keys, max_size=40)),
        st.just(("remove all", None)),
    ),
    max_size=20,
)


class Oracle:
    """The same with a dict."""

    def __init__(self) -> None:
        self.ids: dict[bytes, int] = {}
        self.length = 0
        self.free: list[int] = []

    def add(self, key: bytes) -> int:
        if self.free:
            self.ids[key] = self.free.pop()
        else:
            self.ids[key] = self.length
            self.length += 1
        return self.ids[key]

    def remove(self, found: set[bytes]) -> list[int]:
        gone = [self.ids.pop(key) for key in sorted(found & self.ids.keys())]
        self.free += gone
        return gone


def check(table: KeyTable, oracle: Oracle) -> None:
    assert len(table) == oracle.length
    assert sorted(table.ids().tolist()) == sorted(oracle.ids.values())
    assert sorted(table.keys()) == sorted(oracle.ids)
    names = {number: key for key, number in oracle.ids.items()}
    for number in range(oracle.length):
        assert table.key(number) == names.get(number, b"")


@pytest.mark.parametrize("is_remembered", [True, False])
@pytest.mark.parametrize("hashed", HASHES.values(), ids=HASHES)
@settings(max_examples=50)
@given(given_steps=steps)
def test_a_key_table_is_a_dict(
    hashed: Callable[[bytes], int], is_remembered: bool, given_steps: list[tuple[str, object]]
) -> None:
    """Whatever is added, found and removed, one by one or together, and however keys collide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys_module, "_DEAD_MIN", 20)
        table = KeyTable(hashed) if is_remembered else KeyTable(hashed, recent_size_max=0)
        oracle = Oracle()
        for step, given_keys in given_steps:
            if isinstance(given_keys, list):
                before = dict(oracle.ids)
                wanted = [
                    oracle.ids[key] if key in oracle.ids else oracle.add(key) for key in given_keys
                ]
                found, new, new_ids = table.assign(given_keys)
                assert found.tolist() == wanted
                assert before | dict(zip(new, new_ids.tolist(), strict=True)) == oracle.ids
                assert len(before) + len(new) == len(oracle.ids)
            elif isinstance(given_keys, bytes):
                if step == "add" and given_keys not in oracle.ids:
                    assert table.add(given_keys) == oracle.add(given_keys)
                assert table.find(given_keys) == oracle.ids.get(given_keys, ABSENT)
            else:
                assert given_keys is None or isinstance(given_keys, set)
                gone = oracle.remove(set(oracle.ids) if given_keys is None else given_keys)
                table.remove(np.array(gone, np.int64))
            check(table, oracle)


@given(st.dictionaries(st.integers(1, 40), keys, max_size=20), st.lists(keys, max_size=20))
def test_restoring(given_keys: dict[int, bytes], more: list[bytes]) -> None:
    """Keys have the ids that they had, those between are free; a key that is there twice is refused."""
    table, oracle = KeyTable(), Oracle()
    table.add(b"first")
    oracle.add(b"first")
    ids = sorted(given_keys)
    ordered = [given_keys[each] for each in ids]
    if len(set(ordered)) < len(ordered):
        with pytest.raises(ValueError, match="twice"):
            table.restore(ids, ordered)
        return
    for first in range(0, len(ids), 3):
        table.restore(ids[first : first + 3], ordered[first : first + 3])
    if ids:
        with pytest.raises(ValueError, match="twice"):
            table.restore([99], [ordered[0]])
        oracle.length = ids[-1] + 1
        oracle.ids |= dict(zip(ordered, ids, strict=True))
        oracle.free = [each for each in range(1, ids[-1]) if each not in given_keys]
    check(table, oracle)
    wanted = [oracle.ids[key] if key in oracle.ids else oracle.add(key) for key in more]
    assert table.assign(more).ids.tolist() == wanted
    check(table, oracle)


def test_keys_are_those_of_the_moment() -> None:
    """Whatever is changed before they are read."""
    table = KeyTable()
    table.assign([b"%d" % number for number in range(100)])
    seen = table.keys()
    table.remove(np.arange(100))
    table.assign([b"other %d" % number for number in range(100)])
    assert sorted(seen) == sorted(b"%d" % number for number in range(100))


def test_memory_of_keys() -> None:
    """A key takes its bytes and little more, as the table itself says; and removed keys leave theirs to others."""
    table = KeyTable()
    number, length = 50_000, 20

    def fill(start: int) -> None:
        for first in range(start, start + number, 1000):
            table.assign([b"%020d" % each for each in range(first, first + 1000)])

    _, kept = memory(lambda: fill(0))
    assert kept <= (length + 30) * number
    assert abs(kept - table.size) <= 64 << 10

    before = table.size
    for times in range(1, 5):
        table.remove(np.sort(table.ids())[::-1])
        fill(times * number)
    assert table.size <= 1.2 * before
    assert len(table) == number
