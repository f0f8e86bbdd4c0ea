"""Completion in the shells that people use, as they press Tab in them."""

import shlex
import subprocess
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[1] / "packaging"

BASH = """
set -u
source {file}
COMP_WORDS=({words} '')
[ -z {last} ] || COMP_WORDS[-1]={last}
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_LINE="${{COMP_WORDS[*]}}"
COMP_POINT=${{#COMP_LINE}}
specification=$(complete -p theiafs)
function=$(sed 's/.*-F \\([^ ]*\\).*/\\1/' <<<"$specification")
"$function" theiafs {last} ''
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

FISH = "source {file}; complete --do-complete {line}"

# What is typed in a terminal of its own, until the candidates are all there.
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; fpath=({directory} $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000; echo re''ady'
zpty -r -m shell seen '*ready*'
zpty -w -n shell {line}$'\\t\\t'
for expected in {expected}; do
    [[ $seen == *$expected* ]] || zpty -r -m shell more "*$expected*"
    seen+=$more
done
"""


def bash(line: str) -> set[str]:
    words, _, last = line.rpartition(" ")
    script = BASH.format(file=PACKAGING / "bash/theiafs", words=words, last=shlex.quote(last))
    return run("bash", "--norc", "-c", script)


def fish(line: str) -> set[str]:
    script = FISH.format(file=PACKAGING / "fish/theiafs.fish", line=shlex.quote(line))
    return {each.partition("\t")[0] for each in run("fish", "--no-config", "-c", script)}


def run(*command: str) -> set[str]:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=PACKAGING, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.splitlines())


CASES = {
    "theiafs um": {"umount"},
    "theiafs re": {"reindex"},
    "theiafs umount --": {"--lazy", "--stale", "--timeout"},
    "theiafs import --format j": {"jsonl", "journal"},
    "theiafs mount b": {"bash"},
    "theiafs import events man/m": {"man/mount.theiafs.8"},
}
"""What is typed, in the directory of the packaging, and what is offered."""


@pytest.mark.parametrize("line", CASES)
def test_bash(line: str) -> None:
    """All that fits, and nothing else but ways to ask for help."""
    assert {each.rstrip("/") for each in bash(line)} - {"--help"} == CASES[line]


@pytest.mark.parametrize("line", CASES)
def test_fish(line: str) -> None:
    """The same."""
    assert {each.rstrip("/") for each in fish(line)} - {"--help"} == CASES[line]


@pytest.mark.parametrize("line", CASES)
def test_zsh(line: str) -> None:
    """All that fits."""
    script = ZSH.format(
        directory=PACKAGING / "zsh",
        line=shlex.quote(line),
        expected=" ".join(map(shlex.quote, CASES[line])),
    )
    run("zsh", "-f", "-c", script)
