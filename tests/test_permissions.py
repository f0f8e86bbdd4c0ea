"""The permissions that are shown, for every kind of node."""

import itertools
import stat
from collections import Counter

import pytest

from store import Matches, Not, Untagged
from theiafs.config import parse_options
from theiafs.errors import FilesystemError
from theiafs.nodes import AnswerFile, Directory, IngestFile, Link
from theiafs.paths import Negated, NodeKind, Paths
from theiafs.permissions import Permissions

DIRECTORIES = {
    NodeKind.QUERY, NodeKind.BY_TAG, NodeKind.BY_SOURCE, NodeKind.BY_LEVEL, NodeKind.BY_DATE, NodeKind.RANGE, NodeKind.MATCH, NodeKind.NOT,
    NodeKind.MINUTES, NodeKind.VIEWS, NodeKind.BY_ID,
}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "directories", "files", "ingest"),
    [
        ("", 0o755, 0o444, 0o644),
        ("umask=0", 0o777, 0o444, 0o666),
        ("umask=027", 0o750, 0o440, 0o640),
        ("umask=777", 0, 0, 0),
        ("ingest_mode=0222", 0o711, 0o400, 0o222),
        ("ingest_mode=0220", 0o710, 0o400, 0o220),
        ("ingest_mode=0600", 0o700, 0o400, 0o600),
        ("umask=027,ingest_mode=0222", 0o751, 0o440, 0o222),
        ("umask=0,ingest_mode=0", 0o777, 0o444, 0),
    ],
)
def test_the_umask_and_the_mode_of_ingest_files(
    options: str, directories: int, files: int, ingest: int
) -> None:
    """Classes of users that may append pass through directories, and get no other right by that."""
    permissions = Permissions(parse_options(options))
    for mode, expected in [
        (Directory.MODE, directories), (AnswerFile.MODE, files), (IngestFile.MODE, ingest), (Link.MODE, 0o777),
    ]:  # fmt: skip
        shown = permissions.of("/by-tag/match", mode)
        assert oct(stat.S_IMODE(shown)) == oct(expected)
        assert stat.S_IFMT(shown) == stat.S_IFMT(mode)


@pytest.mark.parametrize(
    "path", ["/match", "/match/a", "/by-tag/web/match/a", "/not/by-tag/x", "/untagged", "/by-id", "/minutes", "/by-tag/x/by-tag/y/not"]
)  # fmt: skip
def test_where_nothing_is_appended_none_but_readers_pass(path: str) -> None:
    """They would be told the size of what a pattern matches."""
    permissions = Permissions(parse_options("ingest_mode=0222"))
    assert stat.S_IMODE(permissions.of(path, Directory.MODE)) == 0o700


def test_any_path_of_directories() -> None:
    """Those below which the grammar knows no ingest file, whatever tags, sources and patterns are called: they may be called as filters are."""
    names = ["by-tag", "by-source", "by-level", "range", "match", "not", "untagged", "minutes", "views", "by-id", "err", "15m"]  # fmt: skip
    paths = Paths(str, str)
    permissions = Permissions(parse_options("ingest_mode=0222"))
    seen: Counter[bool] = Counter()
    for depth in range(1, 5):
        for parts in itertools.product(names, repeat=depth):
            path = "/" + "/".join(parts)
            try:
                location = paths.locate(path)
            except FilesystemError:
                continue
            if location.kind not in DIRECTORIES:
                continue
            leads_somewhere = (
                location.kind
                not in {NodeKind.MINUTES, NodeKind.VIEWS, NodeKind.BY_ID, NodeKind.MATCH}
                and not location.is_negated
                and not any(
                    isinstance(each, Not | Negated | Matches | Untagged)
                    for each in location.filters
                )
            )
            passes = bool(permissions.of(path, Directory.MODE) & stat.S_IXOTH)
            assert passes == leads_somewhere, path
            seen[passes] += 1
    assert min(seen.values()) > 100
