"""Who may import whom: a table for each package, compared with what the modules really import."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each line may only name modules of lines above it, so that there are no circles.
STORE: dict[str, set[str]] = {
    "errors": set(),
    "frame": {"errors"},
    "event": {"errors", "frame"},
    "frames": {"frame"},
    "batch": {"event", "frame", "frames"},
    "query": set(),
    "gathering": set(),
    "failures": {"errors"},
    "disk": {"errors", "failures", "gathering"},
    "replacing": {"disk", "errors"},
    "progress": set(),
    "timer": set(),
    "matching": {"errors", "event", "query"},
    "reader": {"errors", "event", "frame"},
    "columns": set(),
    "segments": {"disk", "replacing"},
    "journal": {"disk", "errors", "segments"},
    "minutes": {"columns", "disk", "errors", "gathering", "replacing"},
    "journaledfile": {"disk", "errors", "journal", "minutes"},
    "kinds": {"frame", "matching", "query"},
    "pieces": set(),
    "layout": {"pieces"},
    "minuteindex": {"columns", "kinds", "pieces", "query"},
    "table": {"columns", "disk", "minutes", "query"},
    "index": {"disk", "errors", "kinds", "minuteindex", "pieces", "table"},
    "arrivals": set(),
    "contents": {"arrivals", "gathering", "kinds", "minuteindex", "minutes", "pieces", "query", "table"},
    "api": {"batch", "disk", "errors", "event", "frame", "matching", "minutes", "query"},
    "answer": {"api", "contents", "errors", "gathering", "layout", "pieces", "query"},
    "scanning": {"frame", "frames", "kinds", "minuteindex"},
    "division": {"batch", "minuteindex"},
    "lookup": {"contents", "errors", "event", "frame", "query", "table"},
    "recovery": {"disk", "replacing", "segments"},
    "holdings": {
        "answer", "arrivals", "contents", "disk", "errors", "index", "kinds", "minuteindex", "minutes", "pieces", "progress", "scanning", "table",
    },
    "archive": {
        "answer", "api", "contents", "disk", "errors", "event", "holdings", "lookup", "matching", "progress", "query", "table",
    },
    "check": {"archive", "disk", "errors", "frame", "minutes", "recovery", "replacing", "segments"},
    "follower": {
        "archive", "columns", "contents", "disk", "errors", "event", "minutes", "progress", "table", "timer",
    },
    "flushing": {
        "archive", "contents", "disk", "errors", "journal", "journaledfile", "minuteindex", "minutes", "progress", "table",
    },
    "naive": {
        "archive", "batch", "contents", "disk", "division", "errors", "event", "flushing", "frame", "journal", "journaledfile", "minuteindex", "progress", "recovery", "replacing", "segments", "timer",
    },
    "backends": {"api", "archive", "disk", "errors", "follower", "index", "naive", "progress", "query", "segments"},
    "__init__": {
        "api", "backends", "batch", "check", "errors", "event", "minutes", "naive", "query", "reader", "timer",
    },
}  # fmt: skip
FILESYSTEM: dict[str, set[str]] = {
    "__init__": set(),
    "errors": {"store"},
    "config": {"errors"},
    "names": {"errors"},
    "timerange": {"errors"},
    "guide": set(),
    "paths": {"errors", "timerange", "store"},
    "lines": {"store.frame"},
    "ingest": {"lines", "store", "store.frame", "store.frames"},
    "handles": {"errors", "ingest", "store"},
    "nodes": {"errors", "handles", "store"},
    "tree": {"errors", "guide", "handles", "names", "nodes", "paths", "store"},
    "operations": {"config", "errors", "handles", "names", "nodes", "tree", "store"},
    "session": {"config", "errors", "operations", "store"},
    "progress": set(),
    "mounting": {"config", "errors", "progress", "session", "store"},
    "cli": {"__init__", "config", "errors", "mounting", "progress", "store"},
    "__main__": {"cli"},
}
# What only one module of the project may know.
KNOWN_TO_ONE = {
    "fuse": "theiafs.session",
    "mfusepy": "theiafs.session",
    "importlib": "theiafs.session",
    "fcntl": "store.disk",
    "sqlite3": "store.index",
    "pyroaring": "store.kinds",
}
# The os functions that change or read what is on the disk; paths and processes are everybody's.
DISK_CALLS = {
    "open", "fsync", "fdatasync", "rename", "replace", "unlink", "remove", "rmdir", "mkdir", "makedirs", "scandir",
    "listdir", "truncate", "ftruncate", "pwrite", "pread", "write", "writev", "read", "stat", "fstat", "link", "symlink",
}  # fmt: skip


def modules(package: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / package).glob("*.py"))


def parse(package: str, module: str) -> ast.Module:
    return ast.parse((ROOT / package / f"{module}.py").read_text())


def imported(package: str, module: str) -> set[str]:
    """Full names of the modules that a module imports; ``from package import name`` may name one too."""
    found = set()
    for node in ast.walk(parse(package, module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{package}.{module}: relative import"
            assert node.module is not None
            siblings = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {f"{name}.{each}" for name in ("store", "theiafs") for each in modules(name)}
            found |= (siblings & known) or {node.module}
    return found


def within(package: str, module: str) -> set[str]:
    """What a module imports of the project, named as in the tables."""
    found = set()
    for name in imported(package, module):
        top, _, rest = name.partition(".")
        if top == package:
            found.add(rest or "__init__")
        elif top in ("store", "theiafs"):
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("package", "table"), [("store", STORE), ("theiafs", FILESYSTEM)], ids=["store", "theiafs"]
)
def test_imports_are_those_of_the_tables(package: str, table: dict[str, set[str]]) -> None:
    """No more, and no fewer either: a table that allows what nobody needs is out of date."""
    assert {module: within(package, module) for module in modules(package)} == table


@pytest.mark.parametrize("table", [STORE, FILESYSTEM], ids=["store", "theiafs"])
def test_imports_point_only_downwards(table: dict[str, set[str]]) -> None:
    """The order of the tables proves that there are no circles."""
    above: set[str] = {"store", "store.frame", "store.frames"}
    for module, imports in table.items():
        assert imports <= above, f"{module} imports {imports - above}, which stand below it"
        above.add(module)


def test_the_store_does_not_know_the_filesystem() -> None:
    """Nor its own façade."""
    for module, imports in STORE.items():
        assert not any(name.startswith("theiafs") for name in imports), module
        assert "__init__" not in imports, module


@pytest.mark.parametrize("package", ["store", "theiafs"])
def test_what_only_one_module_may_know(package: str) -> None:
    """The FUSE binding, file locks, the raw disk."""
    for module in modules(package):
        name = f"{package}.{module}"
        for foreign, owner in KNOWN_TO_ONE.items():
            assert foreign not in imported(package, module) or name == owner, f"{name}: {foreign}"
        if package == "store" and module != "disk":
            for node in ast.walk(parse(package, module)):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    called = (node.value.id, node.attr)
                    assert called[0] != "os" or called[1] not in DISK_CALLS, f"{name}: {called}"
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id != "open", f"{name} opens a file"


@pytest.mark.parametrize("package", ["store", "theiafs"])
def test_imports_stand_at_the_top(package: str) -> None:
    """None hides in a function."""
    for module in modules(package):
        tree = parse(package, module)
        top = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert id(node) in top, f"{package}.{module}: line {node.lineno}"
