"""Programs that walk a mount count every event once in each directory that lists it, and those that follow links come to an end."""

import os
import pty
import re
import select
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from inotify_simple import INotify, flags

from store import Event, EventSerializer
from tests.followed import SIGNPOSTS, followed, followed_max, selections, some_events
from tests.mount.conftest import Mount
from tests.waiting import eventually

EVENTS = some_events(sources=3, days=3, number=45)
DAY = "2026-09-22"
NEEDLE = "needle [0-9]+"
RIPGREPS = ["/usr/bin/rg", f"{sysconfig.get_path('scripts')}/rg"]
"""The one of the system, and the newest."""
COLORS = "LS_COLORS=ln=36:or=31:mi=31"


def fill(mount: Mount) -> None:
    """Append the events, and mount again: nothing of them is in memory or cached by the kernel."""
    serialize = EventSerializer().serialize
    (mount.path / "ingest").write_bytes(b"".join(map(serialize, EVENTS)))
    mount.remount()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    """Yield a mount for all tests, which only read it; it has the events of three sources and days, and up to two tags."""
    mount = Mount(tmp_path_factory.mktemp("filled"))
    try:
        mount.mount()
        fill(mount)
        yield mount
        mount.umount()
    finally:
        mount.clean_up()
    assert "ERROR" not in mount.log()


def needles(output: str) -> list[str]:
    """Return the events that *output* shows, as often as it shows them, sorted."""
    return sorted(re.findall(NEEDLE, output))


def contents(events: Collection[Event]) -> list[str]:
    return sorted(str(event.content) for event in events)


DIRECTORIES = {
    "minutes": EVENTS,
    "by-tag/web": [event for event in EVENTS if "web" in event.tags],
    "by-tag/error": [event for event in EVENTS if "error" in event.tags],
    "by-tag/web,db": [event for event in EVENTS if {"web", "db"} & set(event.tags)],
    "by-source/%2Fapp%2F1": [event for event in EVENTS if event.source == "/app/1"],
    f"by-date/{DAY}": [event for event in EVENTS if event.timestamp < 1_790_121_600],
    "untagged": [event for event in EVENTS if not event.tags],
    "not/by-tag/web": [event for event in EVENTS if "web" not in event.tags],
    "range/2026": EVENTS,
    "by-tag/web/by-source/%2Fapp%2F1": [
        event for event in EVENTS if "web" in event.tags and event.source == "/app/1"
    ],
}  # fmt: skip
"""Directories that list minutes, with their events."""

READERS = {
    "grep": "grep -r needle {}",
    "rg of the system": f"{RIPGREPS[0]} needle {{}}",
    "newest rg": f"{RIPGREPS[1]} needle {{}}",
    "rg of the system in it": f"cd {{}} && {RIPGREPS[0]} needle",
    "newest rg in it": f"cd {{}} && {RIPGREPS[1]} needle",
    "find": "find {} -type f -exec cat {{}} +",
    "tar": "tar c {} | tar xO",
    "cp": "cp -r {} $COPIES/cp && grep -r needle $COPIES/cp",
    "rsync": "rsync -a {} $COPIES && grep -r needle $COPIES",
}
"""Commands that show all events in a directory."""


@pytest.mark.parametrize("program", READERS)
def test_every_event_counts_once(
    filled: Mount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Each directory that lists minutes shows its events, and each of them once."""
    for number, (directory, events) in enumerate(DIRECTORIES.items()):
        copies = tmp_path / str(number)
        copies.mkdir()
        monkeypatch.setenv("COPIES", str(copies))
        command = READERS[program].format(directory)
        assert needles(filled.shell(command)) == contents(events), command


def test_du_counts_every_event_once(filled: Mount) -> None:
    """The size of a directory is that of its events, and of the links."""
    for directory in DIRECTORIES.keys() - {"minutes"}:
        links = os.listdir(filled.path / directory)
        targets = sum(len(name) - 1 for name in links if name.startswith("."))
        used = int(filled.shell(f"du -sb {directory}").split()[0])
        assert used == len(filled.events(f"{directory}/events")) + targets, directory
    assert int(filled.shell("du -sb minutes").split()[0]) == len(filled.events("events"))


@pytest.mark.parametrize(
    "command", ["grep -r needle", "grep -r needle .", "find . -type f -exec cat {} +"]
)
def test_from_the_root_an_event_counts_once_for_each_directory_that_lists_it(
    filled: Mount, command: str
) -> None:
    """These are the minutes, its tags, its source and its day."""
    wanted = Counter({event.content: 3 + len(event.tags) for event in EVENTS})
    assert Counter(needles(filled.shell(command))) == wanted


@pytest.mark.parametrize("ripgrep", RIPGREPS)
@pytest.mark.parametrize(
    "command",
    ["rg X", "rg X .", "rg X $PWD", "rg --hidden X", "rg -L X", "rg -L --hidden X", "cd / && rg X $OLDPWD", "cd .. && rg X mnt"],
)  # fmt: skip
def test_ripgrep_reads_minutes_only(filled: Mount, ripgrep: str, command: str) -> None:
    """From the root it reads each event once, whatever the root is called."""
    output = filled.shell(f'rg() {{ {ripgrep} "$@"; }}; {command.replace("X", "needle")}')
    assert needles(output) == contents(EVENTS)


@pytest.mark.parametrize("ripgrep", RIPGREPS)
def test_ripgrep_finds_everything_in_what_it_is_told_to_read(filled: Mount, ripgrep: str) -> None:
    """The root hides nothing from it that it is asked for by name, or from within."""
    web = contents(DIRECTORIES["by-tag/web"])
    for command in [
        "rg X by-tag/web", "rg X ./by-tag/web/", "rg X $PWD/by-tag/web", "cd by-tag/web && rg X", "cd by-tag && rg X web",
        "cd .. && rg X mnt/by-tag/web", "cd by-tag/web && rg X events", "rg X by-tag/web/events", "rg X by-tag/web/*",
        "cd by-tag/web && rg X by-source", "rg X by-tag/web/by-date",
    ]:  # fmt: skip
        output = filled.shell(f'rg() {{ {ripgrep} "$@"; }}; {command.replace("X", "needle")}')
        assert needles(output) == web, command


# The links themselves


def test_ls_shows_what_resolves(filled: Mount) -> None:
    """Each name that is not listed, as a link that leads to something."""
    for directory in [".", *DIRECTORIES.keys() - {"minutes"}]:
        listing = filled.shell(f"{COLORS} ls -lA --color=always {directory}")
        assert "\x1b[31m" not in listing, directory  # the color of a link that leads nowhere
        names = filled.shell(f"ls -A {directory}").split()
        hidden = [name for name in names if name.startswith(".") and name != ".rgignore"]
        plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", listing)
        links = re.findall(r" (\.\S+) -> (\S+)$", plain, re.MULTILINE)
        assert [f".{target}" for _, target in links] == [link for link, _ in links] == hidden
    shown = filled.shell("ls -A by-tag/web").split()
    assert set(shown) >= {*SIGNPOSTS, ".by-tag", ".by-source", ".by-level", ".by-date"}
    assert filled.shell("ls by-tag/web").split() == [name for name in shown if name[0] != "."]
    assert filled.shell("cd by-tag/web; echo *").split() == filled.shell("ls by-tag/web").split()


def test_ls_with_colors_opens_no_minute_file(mounted: Mount) -> None:
    """It stats what links lead to, which the index knows as soon as all lines are measured, in the background."""
    fill(mounted)
    with INotify() as watch:
        watch.add_watch(mounted.store_path, flags.OPEN)

        def opened_by(command: str) -> set[str]:
            watch.read(timeout=0)
            mounted.shell(command)
            return {event.name for event in watch.read(timeout=0) if event.name}

        directories = (".", "by-tag/web", "by-source/%2Fapp%2F1", "untagged", f"by-date/{DAY}")
        eventually(lambda: not opened_by(f"ls -lA --color=always {' '.join(directories)}"), 60)
        assert opened_by("cat minutes/*") >= set(os.listdir(mounted.path / "minutes"))


def test_tab_shows_what_resolves(filled: Mount) -> None:
    """The completion of bash, after a dot, shows all the links."""
    wanted = {name for name in os.listdir(filled.path / "by-tag/web") if name.startswith(".")}
    found = filled.shell("compgen -f by-tag/web/.").split()
    assert {name.removeprefix("by-tag/web/") for name in found} - {".", ".."} == wanted
    assert complete(filled, "cat by-tag/web/.") >= wanted
    assert complete(filled, "cat ./.") >= {".count", ".events", ".untagged", ".rgignore"}


def complete(mount: Mount, line: str) -> set[str]:
    """Return the words that bash shows for two Tabs after *line*."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=mount.path,
        stdin=its,
        stdout=its,
        stderr=its,
        env={**os.environ, "TERM": "dumb", "PS1": "ready> ", "INPUTRC": "/dev/null"},
        start_new_session=True,
    ) as bash:
        os.close(its)
        try:
            read_until(ours, "ready> ")
            os.write(ours, line.encode() + b"\t\t")
            shown = read_until(ours, f"ready> {line}").split()
            return {word.removesuffix("/") for word in shown}
        finally:
            bash.kill()
            os.close(ours)


def read_until(descriptor: int, ending: str) -> str:
    """Return what comes from a terminal up to *ending*."""
    shown = ""
    while not shown.endswith(ending):
        assert select.select([descriptor], [], [], 60)[0], shown
        shown += os.read(descriptor, 1 << 16).decode()
    return shown


def test_copies_hold_links_as_links(filled: Mount, tmp_path: Path) -> None:
    """They are those that are listed, and nothing that they lead to is copied."""
    filled.shell(f"cp -r by-tag/web {tmp_path}/cp && rsync -a by-tag/web/ {tmp_path}/rsync")
    filled.shell(
        f"tar c by-tag/web | tar x -C {tmp_path} && mv {tmp_path}/by-tag/web {tmp_path}/tar"
    )
    for copy in ("cp", "rsync", "tar"):
        copied = filled.shell(f"cd {tmp_path}/{copy} && find . -printf '%y %P %l\\n' | sort")
        assert copied == filled.shell("cd by-tag/web && find . -printf '%y %P %l\\n' | sort"), copy
        links = {line.split()[1] for line in copied.splitlines() if line.startswith("l")}
        assert links == {*SIGNPOSTS, ".by-tag", ".by-source", ".by-level", ".by-date"}


# Following links


@pytest.mark.one_binding
def test_find_that_follows_links_ends(filled: Mount) -> None:
    """It prints what the model says, which grows with the square of the number of tags, sources and days, and no further."""
    found = [path.removeprefix("./") for path in filled.shell("find -L .").splitlines()[1:]]
    assert sorted(found) == sorted(followed(EVENTS))
    assert len(found) <= followed_max(EVENTS)


@pytest.mark.one_binding
def test_grep_that_follows_links_ends(filled: Mount) -> None:
    """It reads an event four times in each directory that it reaches: in a minute, and in the three files of all events."""
    newest = max(event.timestamp for event in EVENTS)
    wanted = Counter({event.content: 4 + (event.timestamp == newest) for event in EVENTS})
    for path in followed(EVENTS):
        if path.endswith("/.events"):
            steps = path.removesuffix("/.events").replace(".", "")
            wanted.update({event.content: 4 for event in EVENTS if is_below(steps, event)})
    assert Counter(needles(filled.shell("grep -R needle ."))) == wanted


def is_below(path: str, event: Event) -> bool:
    """Return whether *event* is in the directory at *path*."""
    return all(
        one.has(event)
        for one in selections(EVENTS)
        if f"/{one.path.removeprefix('.')}/" in f"/{path}/"
    )


@pytest.mark.one_binding
def test_rsync_that_follows_links_ends(filled: Mount, tmp_path: Path) -> None:
    """The copy has a file or a directory for each name that is reached."""
    filled.shell(f"rsync -aL . {tmp_path}/copy")
    assert filled.shell(f"cd {tmp_path}/copy && find . | sort") == filled.shell("find -L . | sort")
    assert not filled.shell(f"find {tmp_path}/copy -type l")


# Names that are not there


def test_names_that_programs_probe_for_are_not_there(filled: Mount) -> None:
    """In no directory, whatever else is an error there."""
    directories = [
        "", "minutes/", "by-tag/", "by-tag/web/", "range/", "range/2026/", "by-id/", "by-date/", "not/", "not/by-tag/",
    ]  # fmt: skip
    names = [".git", ".hidden", ".Trash-0", ".xdg-volume-info", ".envrc", "desktop.ini", "HEAD"]
    for directory in directories:
        for name in names:
            with pytest.raises(FileNotFoundError):
                os.stat(filled.path / f"{directory}{name}")
