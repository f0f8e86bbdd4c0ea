"""Listing a directory in columns: the same as entry by entry, whatever is in it."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Event, EventReadException, NaiveEventStore
from store.disk import dirents
from store.disk.dirents import DT_UNKNOWN, Dirents, read_dirents
from store.disk.disk import Disk
from store.minutes.names import make_names, parse_name, parse_names

SEED = 20251127
NAMES = [
    "0-60", "0-0", "60-0", "00-60", "-60", "60-", "0-", "-", "--", "1-2-3", "1--2", "+1-2", "1 -2", "1-2\n", "a-b", "1-b",
    "1763812800-1763812860", "1763812800-1763812860.x", "999999999-1000000000", "999999999999-999999999999", "1-9999999999999",
    "9999999999999-1", "1_0-20", "\N{ARABIC-INDIC DIGIT ONE}-2", "\udcff-2", ".1-2", ".theiafs", "x" * 255, "1" * 255, "-" * 255,
]  # fmt: skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of more than fits into one buffer: of files with names of all lengths, directories, links and a socket."""
    made, chance = tmp_path_factory.mktemp("listed"), random.Random(SEED)
    makers: list[Callable[[Path], None]] = [
        Path.touch,
        Path.mkdir,
        lambda path: path.symlink_to("0-60"),
    ]
    for name in NAMES:
        (made / name).touch()
    for number in range(9000):
        (made / f"{60 * number}-{60 * number + 60}").touch()
    for number in range(500):
        path = made / ("n" * chance.randrange(1, 200) + str(number))
        chance.choice(makers)(path)
    os.mkfifo(made / "60-60")
    return made


def entries_of(directory: Path) -> list[tuple[bytes, int]]:
    with os.scandir(directory) as entries:
        return sorted(
            (os.fsencode(each.name), each.inode())
            for each in entries
            if each.is_file(follow_symlinks=False)
        )


def listed(directory: Path) -> list[tuple[bytes, int]]:
    return sorted(
        pair
        for names, inodes in Disk().list_inodes(str(directory))
        for pair in zip(names.tolist(), inodes.tolist(), strict=True)
    )


def test_all_files_are_listed(directory: Path) -> None:
    """With their inode numbers; nothing else is."""
    assert listed(directory) == entries_of(directory)


def test_a_c_library_without_the_call(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done without; so is an empty directory."""
    monkeypatch.setattr(dirents, "_getdents64", None)
    assert listed(directory) == entries_of(directory)
    assert listed(tmp_path) == []


def test_a_file_system_that_does_not_say_what_is_a_file(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for each."""

    def without_types(path: str) -> Iterator[Dirents]:
        for found in read_dirents(path):
            yield found._replace(types=np.full_like(found.types, DT_UNKNOWN))
        yield Dirents(np.array([b"gone"]), np.array([1], np.uint64), np.array([0], np.uint8))

    monkeypatch.setattr("store.disk.disk.read_dirents", without_types)
    assert listed(directory) == entries_of(directory)


def test_what_is_no_directory(directory: Path) -> None:
    """The message says which path cannot be listed, and why."""
    for name in ("0-60", "nothing"):
        with pytest.raises(EventReadException, match=f"cannot list .*/{name}"):
            listed(directory / name)


def test_a_store_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not opened, and no file of it stays open; then it is opened as if nothing had happened."""
    root = str(tmp_path)
    with closing(NaiveEventStore(root)) as store:
        store.save(Event("a", "s", 1, ["t"], "x"))

    def fail(_disk: Disk, directory: str) -> None:
        raise EventReadException(f"cannot list {directory}")

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "list_inodes", fail)
        with pytest.raises(EventReadException):
            NaiveEventStore(root)
    descriptors = [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]
    assert not [path for path in descriptors if path.startswith(root)]
    with closing(NaiveEventStore(root)) as store:
        assert store.tags() == {"t"}


def test_names_of_a_directory_are_parsed_together(directory: Path) -> None:
    check_parsed([os.fsencode(each) for each in os.listdir(directory)])
    no_minute, none = parse_names(np.array([], np.bytes_))
    assert (len(no_minute), none.shape) == (0, (0, 2))


ALIKE = st.from_regex(rb"1[0-9]-[1-9][0-9]{1,2}", fullmatch=True)
OTHERS = st.from_regex(rb"[-019a]{1,7}", fullmatch=True) | st.just(b"9" * 13 + b"-" + b"9" * 13)


@given(st.lists(ALIKE, min_size=2, max_size=4) | st.lists(ALIKE | OTHERS, min_size=1))
def test_names_are_parsed_together(names: list[bytes]) -> None:
    check_parsed(names)


def check_parsed(listed: list[bytes]) -> None:
    """Check that names are parsed together as each of them is alone."""
    names = np.array(listed)
    is_minute, spans = parse_names(names)
    wanted = [parse_name(os.fsdecode(name)) for name in names.tolist()]
    assert is_minute.tolist() == [span is not None for span in wanted]
    assert [*map(tuple, spans.tolist())] == [span for span in wanted if span is not None]


@given(
    st.sampled_from([0, 9, 10**9, 10**9 - 600, 10**10 - 600, 922337203685 - 36_000]),
    st.integers(0, 600),
    st.integers(1, 60),
)
def test_names_are_made_together(start: int, count: int, length: int) -> None:
    """As each of them is alone, also where they become longer; and they are parsed again."""
    starts = start + length * np.arange(count)
    names = make_names(starts, starts + length)
    assert names == [f"{each}-{each + length}" for each in starts.tolist()]
    assert [parse_name(name) for name in names] == [(x, x + length) for x in starts.tolist()]
