"""Inode numbers follow from paths alone, and those of a directory listing are those of the paths."""

import posixpath

from hypothesis import given
from hypothesis import strategies as st

from theiafs.inodes import inode_of, inodes_in

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1
).filter(lambda name: name not in (".", ".."))


@given(st.lists(NAMES, max_size=3), st.lists(NAMES))
def test_a_listing_has_the_numbers_of_its_paths(directories: list[str], names: list[str]) -> None:
    """Each entry has the number of its path, the dots those of the directory and the one above."""
    directory = "/" + "/".join(directories)
    listed = inodes_in(directory, [b".", b"..", *map(str.encode, names)]).tolist()
    assert listed == [
        inode_of(directory),
        inode_of(posixpath.dirname(directory)),
        *(inode_of(posixpath.join(directory, name)) for name in names),
    ]


@given(st.lists(NAMES, min_size=1), st.lists(NAMES, min_size=1))
def test_other_paths_have_other_numbers(some: list[str], others: list[str]) -> None:
    """Paths of any depth differ in their numbers, which programs with signed numbers can read, too."""
    paths = {"/" + "/".join(some), "/" + "/".join(others), "/"}
    numbers = {inode_of(path) for path in paths}
    assert len(numbers) == len(paths)
    assert all(0 < number < 1 << 63 for number in numbers)


def test_a_decade_of_minutes() -> None:
    """None of five million minutes has the number of another."""
    names = [b"%d-%d" % (start, start + 60) for start in range(0, 60 * 5_000_000, 60)]
    assert len(set(inodes_in("/minutes", names).tolist())) == len(names)


def test_numbers_that_programs_have_kept() -> None:
    """They do not change from release to release: readers would take every file for a new one."""
    assert inode_of("/") == 1
    assert inode_of("/by-tag/web/events") == 8883703514306606299
