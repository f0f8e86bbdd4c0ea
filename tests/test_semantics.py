"""The page on semantics: it names the tests of each property, and these exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROPERTIES = 8
SECTIONS = (ROOT / "docs" / "semantics.md").read_text().split("\n## ")[1:]


def names_of_tests(path: Path) -> set[str]:
    """Return the names of the tests in a file."""
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_property_has_its_section() -> None:
    titles = [section.partition(" ")[0] for section in SECTIONS]
    assert titles == [f"{number}." for number in range(1, PROPERTIES + 1)]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section[0])
def test_a_property_has_limits_and_tests_that_exist(section: str) -> None:
    promise, limits, named = re.split("\n(?:Limits|Tests):\n", section)
    assert len(promise) > 100
    assert limits.count("\n- ") >= 3
    found = re.findall(r"^- `([\w/.]+)::(\w+)`$", named, re.M)
    assert len(found) == len(named.strip().splitlines()) >= 3
    for path, name in found:
        assert name in names_of_tests(ROOT / path), f"{path}::{name}"
