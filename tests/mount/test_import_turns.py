"""Imports into one store at the same time: they take turns, so that neither adds what the other is adding."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.imports import events_in
from tests.mount.conftest import Mount
from tests.mount.test_import import LINES, start_import
from tests.stopping import stop_process
from tests.test_import import write
from tests.waiting import eventually


class Imports(NamedTuple):
    """An import that has saved half of the lines, and another one of all of them, which waits for it.

    Attributes:
        begun: the first one.
        waiting: the second one.
        feed: gives the first one the rest.
    """

    begun: "subprocess.Popen[str]"
    waiting: "subprocess.Popen[str]"
    feed: Callable[[], object]


@contextlib.contextmanager
def two_imports(
    first: Path, second: Path, tmp_path: Path, has_begun: Callable[[], object]
) -> Iterator[Imports]:
    """Start an import into *first* and, as soon as it *has_begun* to save, one into *second*."""
    log, fifo = write(tmp_path / "app.log", *LINES), tmp_path / "fifo"
    os.mkfifo(fifo)
    text = log.read_bytes()
    options = ["--source", "app.log", "--format", "dated"]
    with start_import(first, *options, fifo) as begun, fifo.open("wb", buffering=0) as pipe:

        def feed() -> None:
            pipe.write(text[len(text) // 2 :])
            pipe.close()

        pipe.write(text[: len(text) // 2])
        eventually(has_begun)
        with start_import(second, *options, log) as waiting:
            assert waiting.stderr is not None
            assert waiting.stderr.readline() == f"{log}: dated\n"
            said = waiting.stderr.readline()
            assert f"waiting until process {begun.pid} has imported into {second}" in said
            yield Imports(begun, waiting, feed)


def summary_of(process: "subprocess.Popen[str]") -> str:
    """Wait until *process* ends; it has to end well."""
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


def check_summaries(imports: Imports) -> None:
    """Check that both end well: the first has saved every line, and the second none."""
    assert ": 30,000 events, 30,000 imported\n" in summary_of(imports.begun)
    assert ": 30,000 events, 0 imported, 30,000 already there\n" in summary_of(imports.waiting)


@pytest.mark.parametrize("second", ["the mount", "its store"])
def test_the_second_import_into_a_mount_adds_nothing(
    mounted: Mount, tmp_path: Path, second: str
) -> None:
    """It may be given as the mount or as the store that is mounted."""
    place = mounted.path if second == "the mount" else mounted.store_path
    minutes = mounted.path / "minutes"
    with two_imports(mounted.path, place, tmp_path, lambda: list(minutes.iterdir())) as imports:
        imports.feed()
        check_summaries(imports)
    assert sorted(mounted.contents()) == sorted(line.encode() for line in LINES)


def test_one_that_waits_goes_on_when_the_other_is_killed(mounted: Mount, tmp_path: Path) -> None:
    """It adds what is missing, and no more."""
    minutes = mounted.path / "minutes"
    with two_imports(
        mounted.path, mounted.path, tmp_path, lambda: list(minutes.iterdir())
    ) as imports:
        imports.begun.kill()
        assert ": 30,000 events, " in summary_of(imports.waiting)
    assert sorted(mounted.contents()) == sorted(line.encode() for line in LINES)


@pytest.mark.one_binding
def test_the_second_import_into_a_store_that_is_not_mounted_waits_too(tmp_path: Path) -> None:
    store = tmp_path / "events"
    with two_imports(store, store, tmp_path, lambda: list(store.glob("[0-9]*"))) as imports:
        imports.feed()
        check_summaries(imports)
    assert [event.content for event in events_in(store)] == LINES


@pytest.mark.one_binding
def test_ctrl_c_ends_one_that_waits(tmp_path: Path) -> None:
    """And leaves the other alone."""
    store = tmp_path / "events"
    with two_imports(store, store, tmp_path, lambda: list(store.glob("[0-9]*"))) as imports:
        imports.waiting.send_signal(signal.SIGINT)
        assert imports.waiting.wait(timeout=60) == 130
        imports.feed()
        assert ": 30,000 events, 30,000 imported\n" in summary_of(imports.begun)


@pytest.mark.one_binding
def test_a_store_that_was_mounted_meanwhile_gets_events_through_its_mount(
    mounted: Mount, tmp_path: Path
) -> None:
    """One that has waited looks again where to import to."""
    mounted.umount()
    store = mounted.store_path
    with two_imports(store, store, tmp_path, lambda: list(store.glob("[0-9]*"))) as imports:
        stop_process(imports.waiting.pid)
        imports.begun.kill()
        imports.begun.wait()
        mounted.mount()
        imports.waiting.send_signal(signal.SIGCONT)
        assert ": 30,000 events, " in summary_of(imports.waiting)
    assert sorted(mounted.contents()) == sorted(line.encode() for line in LINES)
