"""The scripts say how they are used, on a system that lacks what they need."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
NAMES = sorted(path.name for path in SCRIPTS.iterdir() if path.is_file())


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a directory of programs, for the PATH, which has none but those that print a comment."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "env", "sed"):
        found = shutil.which(name)
        assert found is not None, name
        (programs / name).symlink_to(found)
    return programs


def run(bare: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script in an empty directory, in which it must leave nothing."""
    here = bare.parent / "here"
    here.mkdir()
    done = subprocess.run(
        ["bash", *words], cwd=here, env={"PATH": str(bare)}, capture_output=True, text=True
    )
    assert list(here.iterdir()) == []
    return done


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("name", NAMES)
def test_help_tells_the_usage_and_does_nothing(bare: Path, name: str, option: str) -> None:
    """Not even what is set up first."""
    done = run(bare, SCRIPTS / name, option)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\n  scripts/{name}" in done.stdout


@pytest.mark.parametrize(
    "words", [["mount", "-x"], ["mount", "a", "-x"], ["mount", "a", "b", "c"], ["deb", "-x"], ["deb", "a", "b"], ["setup", "-x"], ["man", "a"]]
)  # fmt: skip
def test_other_arguments_are_refused(bare: Path, words: list[str]) -> None:
    """An option is no name: there is no store called ``-x`` afterwards."""
    name, *rest = words
    done = run(bare, SCRIPTS / name, *rest)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"\n  scripts/{name}" in done.stderr
