"""Programs that remember how far they have read each file read every event once, also after a remount."""

import json
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from store import Event, EventSerializer
from tests.daemons import running
from tests.mount.conftest import Mount
from tests.mount.daemons.recipes import recipe
from tests.waiting import eventually

FIRST_DAY = 1_790_000_000 // 86_400 * 86_400
"""The time at which the first of the days with events begins."""
DAYS = 3


class Receiver:
    """A server that receives events, one a line, in a syslog message.

    Attributes:
        port: the one of loopback at which it listens.
        ids: how often the event with each id was received.
    """

    def __init__(self) -> None:
        ids = self.ids = Counter[str]()

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    found = line[line.index(b"{") :]
                    ids[json.loads(found)["id"]] += 1

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Receive nothing more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


class Sender:
    """Appends events to a *mount*, and knows what a shipper has to send.

    Attributes:
        ids: the ids of all events, which a shipper sends once each.
    """

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self.ids: list[str] = []

    def append(self, *days: int) -> None:
        """Append an event to each of the *days*, in a minute of its own."""
        events = []
        for day in days:
            number = len(self.ids)
            event_id = f"day-{day}-{number}"
            self.ids.append(event_id)
            time = FIRST_DAY + day * 86_400 + 3600 + number * 100
            events.append(Event(event_id, "app", time, ["web"], f"event {number}"))
        data = b"".join(map(EventSerializer().serialize, events))
        (self._mount.path / "ingest").write_bytes(data)

    def remove(self, day: int, count: int) -> None:
        """Remove the first *count* of the minutes of a *day*."""
        eventually(lambda: self._on_disk() == sorted(self._shown()))
        start = FIRST_DAY + day * 86_400
        minutes = [
            name for name in self._on_disk() if start <= int(name.split("-")[0]) < start + 86_400
        ]
        for name in minutes[:count]:
            (self._mount.store_path / name).unlink()
        eventually(lambda: self._on_disk() == sorted(self._shown()))

    def _on_disk(self) -> list[str]:
        return sorted(path.name for path in self._mount.store_path.glob("[0-9]*"))

    def _shown(self) -> list[str]:
        return [path.name for path in (self._mount.path / "minutes").iterdir()]


@contextmanager
def imfile(mount: Mount, directory: Path, port: int) -> Iterator[None]:
    """Run an rsyslog that reads the files of days and sends what they have to a *port*."""
    changes = {"logs.example.org": "127.0.0.1", '"601"': f'"{port}"'}
    work = directory / "work"
    work.mkdir(exist_ok=True)
    config = directory / "shipper.conf"
    text = recipe("Log shippers", "rsyslog", mount, changes)
    config.write_text(f'global(workDirectory="{work}")\n{text}')
    with running("rsyslogd", "-n", "-f", str(config), "-i", str(directory / "pid")):
        yield


def test_rsyslog_ships_every_event_once(
    make_mount: Callable[..., Mount], receiver: Receiver, tmp_path: Path
) -> None:
    """While minutes are removed, before and after a remount; none of another file."""
    mounted = make_mount()
    sender = Sender(mounted)

    def has_shipped() -> bool:
        return receiver.ids.total() >= len(sender.ids)

    def check() -> None:
        assert receiver.ids == Counter(sender.ids)

    sender.append(*range(DAYS), *range(DAYS), *range(DAYS))
    with imfile(mounted, tmp_path, receiver.port):
        eventually(has_shipped)
        # It runs on, while old minutes are removed, those of a whole day among them.
        sender.remove(0, 2)
        sender.append(1, 2)
        eventually(has_shipped)
        check()
    mounted.remount()
    sender.append(1, 2)
    with imfile(mounted, tmp_path, receiver.port):
        eventually(has_shipped)
        check()
    # It does not run while the rest of the first day is removed, and another day begins.
    sender.remove(0, 1)
    mounted.remount()
    sender.append(1, 2, 3)
    with imfile(mounted, tmp_path, receiver.port):
        eventually(has_shipped)
        sender.append(1, 3)
        eventually(has_shipped)
    check()


def test_logtail_prints_every_event_once(mounted: Mount, tmp_path: Path) -> None:
    """It may be called soon or late, before or after a remount."""
    mounted.shell("mkdir by-tag/web by-tag/db")
    command = recipe("Log shippers", "sh", mounted, {"/var/lib/web.offset": tmp_path / "offset"})
    printed: list[str] = []
    sent: list[str] = []

    def has_printed() -> bool:
        lines = mounted.shell(command).splitlines()
        printed.extend(json.loads(line)["message"] for line in lines)
        return printed == sent

    for number in range(3):
        sent.append(f"web {number}")
        mounted.shell(f"echo web {number} >> by-tag/web/ingest; echo db >> by-tag/db/ingest")
        if number % 2:
            mounted.remount()
        eventually(has_printed)
        mounted.remount()
        assert has_printed()
