"""The completions of shells."""

import argparse

import shtab

from theiafs.cli import make_parser

_FILES = {
    "bash": "bash/theiafs",
    "zsh": "zsh/_theiafs",
    "fish": "fish/theiafs.fish",
}
"""The paths of the completions, by shell; the shells find them by these names."""

_KINDS = {
    "STORE": shtab.DIRECTORY,
    "MOUNTPOINT": shtab.DIRECTORY,
    "STORE|MOUNT": shtab.DIRECTORY,
    "FILE": shtab.FILE,
}
"""How arguments complete, by their names in the help."""


def completions() -> dict[str, str]:
    """Return the text of each completion, by its path."""
    parser, commands = make_parser()
    for command in commands.values():
        for action in command._actions:  # noqa: SLF001 - argparse has no other name for them
            _complete(action)
    return {path: _plain(shtab.complete(parser, shell)) for shell, path in _FILES.items()}


def _complete(action: argparse.Action) -> None:
    kind = _KINDS.get(str(action.metavar))
    if kind is not None:
        action.complete = kind  # type: ignore[attr-defined] # read by shtab


def _plain(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())
