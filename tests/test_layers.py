"""The imports that are allowed: a table for each package, compared with the actual imports."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The parts of the store, folders and single modules: each line may only name parts of lines above it.
STORE: dict[str, set[str]] = {
    "errors": set(),
    "ticks": {"errors"},
    "query": {"ticks"},
    "columns": set(),
    "checksum": set(),
    "timer": set(),
    "filenames": set(),
    "locks": set(),
    "view": set(),
    "interruption": {"errors"},
    "workers": {"errors"},
    "progress": set(),
    "format": {"errors", "ticks"},
    "disk": {"checksum", "errors", "query"},
    "theia": {"disk", "errors", "format"},
    "matching": {"errors", "format", "query", "ticks"},
    "snapshot": {"query"},
    "defaults": {"format", "query", "snapshot", "view"},
    "api": {"defaults", "errors", "format", "matching", "query", "snapshot", "ticks", "view"},
    "backend": {"api", "errors", "progress", "view"},
    "wal": {"checksum", "disk", "errors", "locks"},
    "minutes": {"checksum", "disk", "errors", "locks", "query", "ticks", "wal"},
    "cache": set(),
    "index": {"checksum", "columns", "disk", "errors", "format", "locks", "minutes", "query", "ticks", "view"},
    "answers": {"cache", "checksum", "errors", "format", "index", "minutes", "query", "snapshot", "ticks", "view"},
    "engine": {
        "answers", "api", "backend", "cache", "checksum", "columns", "disk", "errors", "filenames", "format", "index", "interruption",
        "locks", "matching", "minutes", "progress", "query", "snapshot", "ticks", "timer", "view", "wal",
        "workers",
    },
    "clickhouse": {
        "api", "backend", "cache", "disk", "errors", "filenames", "format", "matching", "query", "snapshot", "ticks", "view", "wal",
    },
    "opening": {"api", "backend", "clickhouse", "engine", "errors"},
    "__init__": {
        "api", "backend", "disk", "engine", "errors", "format", "interruption", "matching", "opening", "query", "snapshot", "theia",
        "ticks", "timer", "view", "workers",
    },
}  # fmt: skip
FILESYSTEM: dict[str, set[str]] = {
    "__init__": set(),
    "errors": {"store"},
    "rendering": {"store", "store.format"},
    "config": {"errors", "rendering"},
    "names": {"errors"},
    "timerange": {"errors", "store"},
    "daynames": {"timerange", "store"},
    "guide": set(),
    "recent": set(),
    "aliases": {"recent"},
    "viewlinks": {"errors", "names"},
    "addition": {"store", "store.format"},
    "formats": {"store", "store.format"},
    "paths": {"errors", "timerange", "store", "store.format"},
    "lineviews": {"paths", "rendering", "store"},
    "summaries": {"paths", "rendering", "store", "store.format"},
    "signposts": {"addition", "paths", "timerange", "store"},
    "moments": {"paths", "recent", "timerange", "store"},
    "lines": {"store.format"},
    "origin": set(),
    "refusal": {"store"},
    "tallies": set(),
    "formatted": {"addition", "formats", "lines", "origin", "tallies", "store"},
    "ingest": {"addition", "formatted", "lines", "origin", "refusal", "store", "store.format"},
    "whole_writes": {"addition", "lines", "origin", "refusal", "store"},
    "doors": {
        "addition",
        "formats",
        "formatted",
        "ingest",
        "origin",
        "paths",
        "tallies",
        "whole_writes",
        "store",
    },
    "processes": set(),
    "errorlog": {"errors", "processes", "rendering", "timerange", "store"},
    "handles": {
        "doors",
        "errorlog",
        "errors",
        "origin",
        "processes",
        "timerange",
        "store",
    },
    "openanswers": {"handles", "store"},
    "nodes": {
        "addition",
        "doors",
        "errorlog",
        "errors",
        "handles",
        "openanswers",
        "processes",
        "recent",
        "rendering",
        "timerange",
        "store",
        "store.format",
    },
    "listings": {
        "daynames",
        "names",
        "nodes",
        "paths",
        "signposts",
        "timerange",
        "viewlinks",
        "store",
        "store.format",
    },
    "tree": {
        "addition",
        "doors",
        "errorlog",
        "errors",
        "guide",
        "handles",
        "lineviews",
        "listings",
        "moments",
        "names",
        "nodes",
        "openanswers",
        "paths",
        "processes",
        "recent",
        "signposts",
        "summaries",
        "viewlinks",
        "store",
        "store.format",
    },
    "inodes": set(),
    "stats": {"inodes", "nodes", "store"},
    "permissions": {"config", "paths"},
    "growth": {"store"},
    "operations": {
        "__init__",
        "aliases",
        "config",
        "doors",
        "errorlog",
        "errors",
        "growth",
        "handles",
        "names",
        "nodes",
        "paths",
        "permissions",
        "processes",
        "recent",
        "rendering",
        "stats",
        "tree",
        "viewlinks",
        "store",
    },
    "fusermount": set(),
    "binding": {"errors"},
    "dirents": {"inodes", "nodes", "operations", "stats"},
    "session": {
        "binding",
        "config",
        "dirents",
        "errors",
        "fusermount",
        "operations",
        "stats",
        "store",
    },
    "progress": set(),
    "mounts": set(),
    "stores": {"mounts", "store"},
    "directories": {"errors"},
    "background": {"errors", "progress"},
    "unmounting": {"directories", "errors", "mounts", "store", "stores"},
    "mountpoint": {"errors", "mounts", "unmounting"},
    "service": set(),
    "importing": {
        "addition",
        "config",
        "errors",
        "formats",
        "formatted",
        "mounts",
        "rendering",
        "stores",
        "tallies",
        "unmounting",
        "store",
        "store.format",
    },
    "copying": {"errors", "importing", "progress", "rendering", "stores", "store", "store.format"},
    "mounting": {
        "background",
        "binding",
        "config",
        "directories",
        "errors",
        "lineviews",
        "mountpoint",
        "mounts",
        "progress",
        "service",
        "session",
        "store",
        "stores",
        "unmounting",
    },
    "backup": {"progress", "rendering", "stores", "store"},
    "pruning": {
        "config",
        "names",
        "progress",
        "rendering",
        "stores",
        "timerange",
        "store",
        "store.format",
    },
    "browsing": {"doors", "errors", "nodes", "tree", "store"},
    "excerpt": {"store"},
    "standard_streams": set(),
    "cli": {
        "__init__",
        "backup",
        "browsing",
        "config",
        "copying",
        "errors",
        "excerpt",
        "importing",
        "mounting",
        "progress",
        "pruning",
        "rendering",
        "standard_streams",
        "store",
        "unmounting",
    },
    "mount_helper": {"cli", "config", "errors", "mounting"},
    "__main__": {"cli", "mount_helper"},
}
# What only one module of the project may know.
KNOWN_TO_ONE = {
    "fuse": "theiafs.binding",
    "mfusepy": "theiafs.binding",
    "importlib": "theiafs.binding",
    "fcntl": "store.disk.lock",
    "http": "store.clickhouse.wire",
    "ssl": "store.clickhouse.wire",
    "inotify_simple": "store.disk.watch",
    "sqlite3": "store.index.tables",
    "pyroaring": "store.index.postings",
    "re2": "store.matching.pattern",
    "msgspec": "theiafs.formats.members",
    "zlib_ng": "store.checksum",
    "backports": "theiafs.importing.compression",
    "bz2": "theiafs.importing.compression",
    "lzma": "theiafs.importing.compression",
}
# The os functions that change or read what is on the disk; paths and processes are everybody's.
DISK_CALLS = {
    "open", "fsync", "fdatasync", "rename", "replace", "unlink", "remove", "rmdir", "mkdir", "makedirs", "scandir",
    "listdir", "truncate", "ftruncate", "pwrite", "pread", "write", "writev", "read", "stat", "fstat", "link", "symlink",
}  # fmt: skip


def modules(package: str) -> dict[str, Path]:
    """The modules of a package by their full names."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)
        found[name] = path
    return found


MODULES = {**modules("store"), **modules("theiafs")}


@functools.cache
def parse(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@functools.cache
def imported(module: str) -> set[str]:
    """Full names of the modules that a module imports; ``from package import name`` may name one too."""
    found = set()
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            assert node.module is not None
            siblings = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (siblings & MODULES.keys()) or {node.module}
    return found


def part(module: str) -> str:
    """The part of its package that a module belongs to."""
    return [*module.split("."), "__init__"][1]


def parts_imported(package: str) -> dict[str, set[str]]:
    """For each part of a package, the other parts that it imports; ``store.<part>`` from another package."""
    found: dict[str, set[str]] = {}
    for module in modules(package):
        imports = found.setdefault(part(module), set())
        for name in imported(module):
            top = name.split(".")[0]
            if top == package and part(name) != part(module):
                imports.add(part(name))
            elif top in ("store", "theiafs") and top != package:
                imports.add(".".join(name.split(".")[:2]))
    return found


@pytest.mark.parametrize(
    ("package", "table"), [("store", STORE), ("theiafs", FILESYSTEM)], ids=["store", "theiafs"]
)
def test_imports_are_those_of_the_tables(package: str, table: dict[str, set[str]]) -> None:
    """No more, and no fewer either: a table that allows an unused import is out of date."""
    assert parts_imported(package) == table


@pytest.mark.parametrize("table", [STORE, FILESYSTEM], ids=["store", "theiafs"])
def test_imports_point_only_downwards(table: dict[str, set[str]]) -> None:
    """The order of the tables proves that there are no circles."""
    above: set[str] = {"store", "store.format"}
    for each, imports in table.items():
        assert imports <= above, f"{each} imports {imports - above}, which stand below it"
        above.add(each)


def test_there_is_no_import_circle() -> None:
    """Within a part neither."""
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for each in sorted(imported(module) & MODULES.keys()):
                visit(each, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_the_store_does_not_know_the_filesystem() -> None:
    """Nor its own façade."""
    for module in modules("store"):
        for name in imported(module):
            assert not name.startswith("theiafs"), module
            assert name != "store", module


@pytest.mark.parametrize("module", MODULES)
def test_what_only_one_module_may_know(module: str) -> None:
    """The FUSE binding, file locks, SQLite, the raw disk."""
    for foreign, owner in KNOWN_TO_ONE.items():
        assert foreign not in imported(module) or module == owner, f"{module}: {foreign}"
    if module.startswith("store.") and part(module) != "disk":
        for node in ast.walk(parse(module)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                called = (node.value.id, node.attr)
                assert called[0] != "os" or called[1] not in DISK_CALLS, f"{module}: {called}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "open", f"{module} opens a file"


@pytest.mark.parametrize("module", MODULES)
def test_imports_stand_at_the_top(module: str) -> None:
    """None hides in a function. One that depends on the version of Python is at the top too."""
    tree = parse(module)
    by_version = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test).startswith("sys.version_info ")
    )
    choices = (each for node in by_version for each in (*node.body, *node.orelse))
    top = {id(node) for node in (*tree.body, *choices)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert id(node) in top, f"{module}: line {node.lineno}"
