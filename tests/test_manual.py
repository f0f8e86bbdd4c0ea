"""The man pages and the completions of shells say what the command line does."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from manual.__main__ import documents

from theiafs.cli import make_parser
from theiafs.config import parse_options
from theiafs.errors import MountError

ROOT = Path(__file__).parents[1]
PACKAGING = ROOT / "packaging"
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
PROGRAMS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
HELP = """
import contextlib, importlib, sys
module, function, program, *commands = sys.argv[1:]
for command in commands:
    sys.argv = [program, *filter(None, [command]), "--help"]
    with contextlib.suppress(SystemExit):
        getattr(importlib.import_module(module), function)()
"""
"""Asks an entry point, and each of its commands, for help."""


def page_of(program: str) -> str:
    """Return the man page of *program* as man(1) shows it, in lines that are not broken."""
    (path,) = (PACKAGING / "man").glob(f"{program}.[18]")
    environment = {**os.environ, "MANWIDTH": "500", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"}
    command = ["man", "--warnings", "--no-hyphenation", "--no-justification", "--local-file"]
    done = subprocess.run([*command, path], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def help_of(program: str) -> str:
    """Return what *program* and all of its commands say with ``--help``."""
    commands = ["", *make_parser()[1]] if program == "theiafs" else [""]
    environment = {**os.environ, "COLUMNS": "500", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", HELP, *PROGRAMS[program].split(":"), program, *commands],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout


@pytest.mark.parametrize("name", documents())
def test_they_are_what_the_parser_says(name: str) -> None:
    """They are in the repository so that no package needs the parser, and all it imports, to be built."""
    expected = documents()[name]
    assert (PACKAGING / name).read_text() == expected, "out of date: run scripts/man"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_page_has_what_help_has(program: str) -> None:
    """All options, and all that goes after ``-o``; but how to get help is in help alone."""
    page, shown = page_of(program), help_of(program)
    assert set(OPTION.findall(shown)) - {"-h", "--help"} <= set(OPTION.findall(page))
    for line in shown.splitlines():
        option = re.match(r"^  ([a-z_]+(?:=[A-Z,]+)?)  ", line)
        assert option is None or re.search(rf"^ +{option[1]}\b", page, re.MULTILINE), line


def test_help_names_every_option_of_a_mount() -> None:
    """Each that the message for an unknown one offers."""
    with pytest.raises(MountError) as raised:
        parse_options("nonsense")
    known = str(raised.value).partition("there are ")[2].partition(", and ")[0].split(", ")
    shown = make_parser()[1]["mount"].epilog or ""
    assert [each for each in known if not re.search(rf"\b{each}\b", shown)] == []
