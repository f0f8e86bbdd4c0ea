"""The recipes of the documents, as the tests run them."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from tests.documents import ROOT, section
from tests.mount.conftest import Mount

__all__ = ["RECIPES", "recipe", "recipes"]

RECIPES = (ROOT / "docs" / "recipes.md").read_text()
_MOUNTPOINT, _STORE = "/mnt/events", "/srv/events"
_BLOCK = re.compile(r"^```(\S+)\n(.*?)^```", re.M | re.S)
_UNCHANGED: Mapping[str, object] = MappingProxyType({})


def recipes(title: str, language: str) -> list[str]:
    """Return the recipes in a *language*, in the section with this *title*."""
    return [text for its, text in _BLOCK.findall(section(RECIPES, title)) if its == language]


def recipe(
    title: str,
    language: str,
    mount: Mount,
    changes: Mapping[str, object] = _UNCHANGED,
    place: int = 0,
) -> str:
    """Return a recipe for what is mounted here.

    Args:
        title: that of its section.
        language: the one it is in.
        mount: takes the place of the one in the recipe.
        changes: what takes the place of other texts of the recipe.
        place: the number of the recipe in this language, in the section, from 0.
    """
    text = recipes(title, language)[place]
    for old, new in changes.items():
        assert old in text, f"{old} is not in the recipe"
        text = text.replace(old, str(new))
    return text.replace(_MOUNTPOINT, str(mount.path)).replace(_STORE, str(mount.store_path))
