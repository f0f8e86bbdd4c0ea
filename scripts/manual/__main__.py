"""Writes the files into a directory: ``python -m manual DIRECTORY``."""

import sys
from pathlib import Path

from manual.completion import completions
from manual.pages import pages


def documents() -> dict[str, str]:
    """Return the text of each file, by its path."""
    return {**pages(), **completions()}


if __name__ == "__main__":
    for name, text in documents().items():
        path = Path(sys.argv[1], name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
