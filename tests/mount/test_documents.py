"""The examples of the documents: each is run on a real mount."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from outage.__main__ import main as make_outage

from tests.mount.conftest import Mount

ROOT = Path(__file__).parents[2]
QUESTIONS = 8
STAGES_MAX = 2
CHARACTERS_MAX = 4_000


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with the logs of an outage, to be copied."""
    store = tmp_path_factory.mktemp("outage") / "shop"
    assert make_outage([str(store)]) == 0
    return store


@pytest.fixture
def shop(outage: Path, tmp_path: Path, make_mount: Callable[..., Mount]) -> Mount:
    """Return the mount of a store with the logs of an outage."""
    shutil.copytree(outage, tmp_path / "shop" / "events")
    return make_mount(name="shop")


def section(text: str, title: str) -> str:
    """Return the section of a document with this *title*."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_readme_answers_the_questions_of_an_incident(shop: Mount) -> None:
    """Each by one command of at most two stages, whose output is the one shown; little has to be read in all."""
    incident = section((ROOT / "README.md").read_text(), "An incident")
    assert len(re.findall(r"^\*\*.*\?\*\*", incident, re.M)) == QUESTIONS
    examples = re.findall(r"^```console\n(.*?)^```", incident, re.M | re.S)
    assert len(examples) == QUESTIONS
    assert sum(map(len, examples)) <= CHARACTERS_MAX
    for example in examples:
        command, shown = re.fullmatch(r"\$ ([^\n]*)\n(.*)", example, re.S).groups()  # type: ignore[union-attr]
        assert command.count("|") < STAGES_MAX
        assert not re.search(r"[;&`]|\$\(|<\(", command), "one command"
        # head may end before what it reads from.
        assert shop.shell(f"set +o pipefail; {command}") == shown
    [prepared] = re.findall(r"^```sh\n(.*?)^```", incident, re.M | re.S)
    for script in re.findall(r"scripts/\w+", prepared):
        assert os.access(ROOT / script, os.X_OK)
