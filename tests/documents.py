"""The documents of the repository, parts of which the tests run."""

from pathlib import Path

__all__ = ["ROOT", "section"]

ROOT = Path(__file__).parents[1]


def section(text: str, title: str) -> str:
    """Return the section of a document with this *title*."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
