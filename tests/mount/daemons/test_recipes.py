"""No recipe is there that no test runs."""

import re
from pathlib import Path

import pytest

from tests.documents import ROOT, section
from tests.mount.daemons.recipes import RECIPES, recipes

USERS = [*Path(__file__).parent.glob("*.py"), ROOT / "tests" / "test_package.py"]
USES = "".join(path.read_text() for path in USERS)
TITLES = re.findall(r"^## (.*)$", RECIPES, re.M)
UNTESTED = {"syslog-ng"}
"""Its package, and that of rsyslog, exclude each other."""


@pytest.mark.parametrize("title", TITLES)
def test_every_recipe_is_run(title: str) -> None:
    """In each of its languages, and as often as it is there."""
    for language in set(re.findall(r"^```(\S+)$", section(RECIPES, title), re.M)) - UNTESTED:
        assert recipes(title, language)
        assert re.search(rf'recipes?\("{re.escape(title)}", "{language}"', USES), language


def test_the_table_of_contents_leads_to_every_recipe() -> None:
    """In the order in which they are there."""
    links = re.findall(r"\[([^]]+)\]\(#([^)]+)\)", RECIPES.partition("\n## ")[0])
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in TITLES[1:]]
    assert sorted(anchor for _, anchor in links) == sorted(anchors)
    found = {title.lower() for title in TITLES}
    assert all(text.lower() in found for text, _ in links)
