"""The code itself: nothing left over, nothing dead, nothing banned."""

import ast
import functools
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("store", "theiafs")
SOURCES = sorted(path for name in (*PACKAGES, "tests") for path in (ROOT / name).rglob("*.py"))
SCRIPTS = sorted(
    path
    for path in (ROOT / "scripts").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)
TEXTS = [*SOURCES, *SCRIPTS]

LEFT_OVER = re.compile("TO" + "DO|FIX" + "ME|X" + "XX|HA" + "CK")
# Divided, so that this file does not have them itself.
WORN_OUT = re.compile(
    r"(?<![a-z])(?:"
    + "|".join(
        each.replace("·", "")
        for each in (
            "an·ew", "behi·nd", "besi·de", "by n·ow", "le·st", "let(?:s|ting)? g·o of", "look(?:s|ed|ing)? a·t",
            "nobo·dy", "so ma·ny", "somebo·dy", "tak(?:es?|ing) i·n", "tak·en in", "wh·o", "whoev·er",
        )
    )
    + r")(?![a-z])",
    re.IGNORECASE,
)  # fmt: skip
"""Words and phrases that another one says more plainly: see the rules of English."""

OPENINGS = ("What", "Where", "Which", "Of")
"""A docstring begins with none of these: it says what something does or is."""

LINES_MAX = 450
"""A file reads in one sitting."""

# Called by fusepy or by users of the store, rather than by name from here.
CALLED_FROM_OUTSIDE = {
    "theiafs.operations.Operations",
    "store.minutes.names.FileIndex",
    "store.format.event.EventPreamble",
}


@functools.cache
def text_of(path: Path) -> str:
    return path.read_text()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


@functools.cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(path)))


@functools.cache
def mentions() -> Counter[str]:
    """How often each name is mentioned in all sources, where it is defined or exported aside."""
    everything = "\n".join(map(text_of, SOURCES))
    found = Counter(re.findall(r"\w+", everything))
    found.subtract(re.findall(r"\b(?:def|class) (\w+)", everything))
    found.subtract(re.findall(r"^    \"(\w+)\",$", everything, re.M))
    return found


CANNOT_FAIL = re.compile(r"""\(\?:\\\\\.\?\+\[[^\]]*\]\*\+\)\*\+""")
"""Escaped bytes with what follows them: ``(?:\\\\.?+[^"]*+)*+``."""
POSSESSIVE_GROUP = re.compile(r"\)[*+?]\+|\(\?>")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_nothing_is_left_over(path: Path) -> None:
    """No note to oneself."""
    assert not LEFT_OVER.search(text_of(path))


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_no_word_is_worn_out(path: Path) -> None:
    """In comments, docstrings, messages and names alike."""
    found = [
        f"line {number}: {match[0]}"
        for number, line in enumerate(text_of(path).replace("_", " ").splitlines(), 1)
        for match in WORN_OUT.finditer(line)
    ]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_docstrings_begin_plainly(path: Path) -> None:
    """With what something does or is, and those of functions in the imperative."""
    for node in nodes_of(path):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        docstring = ast.get_docstring(node) or ""
        assert not docstring.startswith(tuple(f"{word} " for word in OPENINGS)), docstring
        if isinstance(node, ast.FunctionDef) and path.parts[-2] != "tests":
            is_property = any(
                isinstance(each, ast.Name) and each.id in ("property", "cached_property")
                for each in node.decorator_list
            )
            assert is_property or not docstring.startswith("Whether "), docstring


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_failure_is_swallowed_by_name(path: Path) -> None:
    """No bare except, none of BaseException, and none whose only body is pass."""
    for node in nodes_of(path):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: bare except"
            named = ast.unparse(node.type)
            assert "BaseException" not in named, f"line {node.lineno}: {named}"
            assert not all(isinstance(each, ast.Pass) for each in node.body), f"line {node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nothing_sleeps(path: Path) -> None:
    """To wait is to poll for a condition, or to wait for an event."""
    for node in nodes_of(path):
        assert not (isinstance(node, ast.Attribute) and node.attr == "sleep"), f"line {node.lineno}"


@pytest.mark.parametrize(
    "path", [each for each in SOURCES if each.relative_to(ROOT).parts[0] in PACKAGES], ids=relative
)
def test_no_possessive_group_can_fail_after_its_first_byte(path: Path) -> None:
    """Python before 3.11.5, such as that of Debian 12, does not go back to where the group began."""
    text = CANNOT_FAIL.sub("", text_of(path))
    assert not POSSESSIVE_GROUP.findall(text)


@pytest.mark.parametrize("path", [each for each in SOURCES if "tests" in each.parts], ids=relative)
def test_no_test_is_skipped(path: Path) -> None:
    """A test that does not run proves nothing."""
    for node in nodes_of(path):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"skip", "skipif", "xfail", "importorskip"}, node.lineno


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_files_read_in_one_sitting(path: Path) -> None:
    """A file that is longer has more than one noun in it."""
    assert len(text_of(path).splitlines()) <= LINES_MAX


@pytest.mark.parametrize(
    "path", [each for each in SOURCES if each.relative_to(ROOT).parts[0] in PACKAGES], ids=relative
)
def test_what_is_defined_is_used(path: Path) -> None:
    """A definition at the top of a module, or a public method, has its name somewhere else too."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for node in tree_of(path).body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        assert mentions()[node.name] > 0, f"{node.name} is not used"
        if isinstance(node, ast.ClassDef) and f"{module}.{node.name}" not in CALLED_FROM_OUTSIDE:
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("__"):
                    assert mentions()[method.name] > 0, f"{node.name}.{method.name}"
