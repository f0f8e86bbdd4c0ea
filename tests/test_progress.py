"""Progress is shown on a terminal and in the log."""

import io
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from store import Event, NaiveEventStore
from theiafs import progress as progress_module
from theiafs.cli import main
from theiafs.progress import Progress


class Terminal(io.StringIO):
    """A terminal whose output can be read after it is closed."""

    def close(self) -> None:
        self.flush()


def test_a_terminal_and_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The terminal has a bar, which is removed at the end, and the log a line for every tenth."""
    monkeypatch.setattr(progress_module, "_DELAY_S", 0)
    caplog.set_level(logging.INFO)
    terminal = Terminal()
    with Progress("indexing", terminal) as progress:
        for done in range(1, 2001):
            progress(done, 2000)
    assert "indexing" in terminal.getvalue()
    assert "2000" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [f"indexing: {tenth * 200} of 2000 files" for tenth in range(1, 11)]


def test_little_work_is_nothing_to_speak_of(caplog: pytest.LogCaptureFixture) -> None:
    """Short work shows neither on the terminal nor in the log."""
    caplog.set_level(logging.INFO)
    terminal = Terminal()
    with Progress("indexing", terminal) as progress:
        for done in range(1, 100):
            progress(done, 99)
    assert not terminal.getvalue().strip()
    assert not caplog.records


def test_without_a_terminal() -> None:
    """Nothing is written."""
    with Progress("indexing", None) as progress:
        progress(1, 1)


def fill(root: Path, minutes: int) -> None:
    store = NaiveEventStore(str(root), 1e9)
    store.save_all(Event(f"id{n}", "s", 60 * n, ["t"], "x") for n in range(minutes))
    store.close()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints how many files it read, or why it failed."""
    fill(tmp_path / "store", 7)
    assert main(["reindex", str(tmp_path / "store")]) == 0
    assert capsys.readouterr().out == "7 minute files indexed\n"
    store = NaiveEventStore(str(tmp_path / "store"), 1e9)
    assert main(["reindex", str(tmp_path / "store")]) == 1
    assert str(os.getpid()) in capsys.readouterr().err
    store.close()
    assert main(["reindex", str(tmp_path / "nothing")]) == 1
    assert "nothing" in capsys.readouterr().err


def test_the_command_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal, the bar is removed at the end."""
    fill(tmp_path, 3)
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "theiafs", "reindex", str(tmp_path)],
        stderr=theirs,
        stdout=theirs,
        check=True,
    )
    assert os.read(ours, 1000).strip() == b"3 minute files indexed"
    os.close(ours)
    os.close(theirs)
