"""The examples of the documents: each is run on a real mount."""

import re
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from outage.__main__ import main as make_outage

from tests.documents import ROOT, section
from tests.mount.conftest import Mount
from tests.namespaces import WITHOUT_COPIES
from tests.waiting import eventually
from theiafs.guide import GUIDE

QUESTIONS = 8
STAGES_MAX = 2
CHARACTERS_MAX = 4_000
LINES_MAX, COLUMNS_MAX = 24, 80


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


def test_the_readme_answers_the_questions_of_an_incident(shop: Mount) -> None:
    """Each by one command of at most two stages, whose output is the one shown; little has to be read in all."""
    incident = section((ROOT / "README.md").read_text(), "An incident")
    assert len(re.findall(r"^\*\*.*\?\*\*", incident, re.M)) == QUESTIONS
    blocks = re.findall(r"^```console\n(.*?)^```", incident, re.M | re.S)
    assert len(blocks) == QUESTIONS
    assert sum(map(len, blocks)) <= CHARACTERS_MAX
    for block in blocks:
        command, shown = re.fullmatch(r"\$ ([^\n]*)\n(.*)", block, re.S).groups()  # type: ignore[union-attr]
        assert command.count("|") < STAGES_MAX
        assert not re.search(r"[;&`]|\$\(|<\(", command), "one command"
        # head may end before what it reads from.
        assert shop.shell(f"set +o pipefail; {command}") == shown


def test_the_incident_is_made_and_removed_as_the_readme_says(tmp_path: Path) -> None:
    """As often as one likes, and nothing is left. The log of root's mounts is one of the test's own."""
    incident = section((ROOT / "README.md").read_text(), "An incident")
    made, removed = re.findall(r"^```sh\n(.*?)^```", incident, re.M | re.S)
    once = re.sub(
        r"(?<!\S)(?=scripts/|\.venv/)",
        f"{ROOT}/",
        f"{made}head -1 by-level/err+/events.log\n{removed}",
    )
    script = f"set -e; {WITHOUT_COPIES}mount -t tmpfs none /var/log\n{once}{once}"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("orders-db [db] FATAL") == 2
    assert list(tmp_path.iterdir()) == []


def topics() -> dict[str, list[str]]:
    """Return the lines of each topic of the guide, its title included."""
    found: dict[str, list[str]] = {}
    for line in GUIDE.splitlines():
        if re.fullmatch("[A-Z]+( [A-Z]+)*", line):
            found[line] = []
        [*_, current] = found.values()
        current.append(line)
    return found


def examples(lines: list[str]) -> list[str]:
    """Return the commands among *lines*: those that are indented by four columns; a backslash continues one."""
    text = "\n".join(lines).replace("\\\n", "")
    return re.findall("^    (\\S.*)$", text, re.M)


@pytest.mark.parametrize("title", topics())
def test_a_topic_of_the_guide_fits_a_screen(title: str) -> None:
    """With at least one example."""
    lines = topics()[title]
    assert len("\n".join(lines).strip().splitlines()) <= LINES_MAX
    assert max(map(len, lines)) <= COLUMNS_MAX
    assert examples(lines)


def test_the_first_topic_of_the_guide_names_the_others() -> None:
    """And it begins with what to do instead of searching from the top."""
    first, *others = topics().values()
    names = re.search(r"a topic a screen: ([^.]*)\.", " ".join(first))
    assert names is not None
    assert names[1].split(", ") == [lines[0] for lines in others]
    assert "grep -r" in GUIDE.splitlines()[2]


def follow(mount: Mount, command: str) -> str:
    """Run a command that follows a file, and append to it until a line is printed; return this line."""
    words = ["bash", "-c", f"exec {command}"]
    with subprocess.Popen(words, cwd=mount.path, stdout=subprocess.PIPE, text=True) as following:
        output = following.stdout
        assert output is not None

        def has_printed() -> bool:
            mount.shell("echo 'ERROR: followed' >> by-tag/web/ingest")
            return bool(select.select([output], [], [], 0.1)[0])

        try:
            eventually(has_printed)
            return output.readline()
        finally:
            following.kill()


def test_every_example_of_the_guide_does_what_it_says(shop: Mount) -> None:
    """In their order: it succeeds and prints something, unless it writes, or fails as stated."""
    assert shop.events("README").decode() == GUIDE
    for example in examples(GUIDE.splitlines()):
        command, _, comment = map(str.strip, example.partition(" # "))
        if comment.startswith("fails: "):
            done = subprocess.run(["bash", "-c", command], cwd=shop.path, capture_output=True)
            assert done.returncode != 0, command
            assert comment.removeprefix("fails: ") in done.stderr.decode(), command
        elif command.startswith("tail -f"):
            assert follow(shop, command), command
        else:
            printed = shop.shell(f"set +o pipefail; {command}")
            writes = re.match("(echo|mkdir|printf|ln|mv|rm|cp) ", command)
            assert printed or (writes and "tee" not in command), command
