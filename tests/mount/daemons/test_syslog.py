"""rsyslog, fed by logger and by what Docker sends."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemons import free_port, is_listening, running
from tests.mount.conftest import Mount, theiafs
from tests.mount.daemons.arrivals import arrived
from tests.mount.daemons.recipes import recipe, recipes
from tests.waiting import eventually
from theiafs.unmounting import is_stale

RSYSLOG = """\
global(workDirectory="{directory}" localHostname="web-1")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{directory}/log" RateLimit.Interval="0")
"""
STATISTICS = """\
module(load="impstats" interval="1" log.syslog="off" log.file="{path}")
"""
MESSAGES = 1000
NAME = "shop.1.x7k2"
"""The name of a container."""
DAEMON_INFO = 30
"""The priority that Docker's driver sends, 24 for the daemon, 6 for what it says."""


@contextmanager
def rsyslog(directory: Path, *texts: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run an rsyslog that listens at a socket of its own, with these *texts* in its configuration."""
    config, log = directory / "rsyslog.conf", directory / "log"
    config.write_text("".join([RSYSLOG.format(directory=directory), *texts]))
    pid_file = directory / "rsyslog.pid"
    with running("rsyslogd", "-n", "-f", str(config), "-i", str(pid_file)) as process:
        # It is ready to be told to reopen its files after it has written its number.
        eventually(lambda: log.exists() and pid_file.exists())
        yield process


def test_rsyslog_that_is_told_to_reopen_loses_nothing(shared: Mount, tmp_path: Path) -> None:
    """All messages of logger arrive, with their levels and programs."""
    script = f"seq -f 'ordered %g' {MESSAGES} | logger -u {tmp_path}/log -t shop -p user.err"
    with rsyslog(tmp_path, recipe("rsyslog", "rsyslog", shared)) as process:
        with subprocess.Popen(["bash", "-c", script]) as loggers:
            while loggers.poll() is None:
                process.send_signal(signal.SIGHUP)
                shared.events("by-level/err/count")
        assert loggers.returncode == 0
        eventually(lambda: len(arrived(shared, "by-level/err", "ordered")) >= MESSAGES)
        subprocess.run(["logger", "-u", tmp_path / "log", "-t", "shop", "ordered last"], check=True)
        eventually(lambda: arrived(shared, "by-source/shop/by-level/notice", "ordered"))
    lines = arrived(shared, "by-source/shop/by-level/err", "ordered")
    numbers = [int(line.rpartition(b" ordered ")[2]) for line in lines]
    assert numbers == list(range(1, MESSAGES + 1))


@pytest.fixture
def protected(mounted: Mount) -> Iterator[Mount]:
    """Yield a mount on a directory that is immutable, as the recipes make it."""
    mounted.umount()
    subprocess.run(["sh", "-euc", recipe("For all of them", "sh", mounted, place=1)], check=True)
    try:
        mounted.mount()
        yield mounted
    finally:
        try:
            mounted.clean_up()
        finally:
            subprocess.run(["chattr", "-i", mounted.path], check=True)


def test_rsyslog_goes_on_after_a_crash(protected: Mount, tmp_path: Path) -> None:
    """It keeps what it receives until there is a mount again, and meanwhile cannot write into the bare directory."""
    numbers = range(1, 31)
    statistics = tmp_path / "statistics"

    def send(some: range) -> None:
        script = f"seq -f 'kept %g' {some[0]} {some[-1]} | logger -u {tmp_path}/log -t shop"
        subprocess.run(["bash", "-c", script], check=True)

    def found() -> list[int]:
        lines = arrived(protected, ".", " kept ")
        return [int(line.rpartition(b" kept ")[2]) for line in lines]

    def has_tried_again() -> bool:
        text = statistics.read_text() if statistics.exists() else ""
        return any(int(count) > 1 for count in re.findall(r" resumed=(\d+)", text))

    texts = STATISTICS.format(path=statistics), recipe("rsyslog", "rsyslog", protected)
    with rsyslog(tmp_path, *texts):
        send(numbers[:10])
        eventually(lambda: len(found()) >= 10)
        os.kill(protected.process_id, signal.SIGKILL)
        eventually(lambda: is_stale(str(protected.path)))
        theiafs("umount", protected.path)
        send(numbers[10:20])
        eventually(has_tried_again, 60)
        protected.mount()
        send(numbers[20:])
        # It tries again after ever longer pauses.
        eventually(lambda: len(found()) >= len(numbers), 60)
    assert found() == list(numbers)


def sent_by_docker(form: str, text: str) -> bytes:
    """Return a message as Docker's driver sends it in the format *form*, where "" is the one it has by default."""
    now = time.gmtime()
    day = time.strftime("%b ", now) + f"{now.tm_mday:2d}" + time.strftime(" %H:%M:%S", now)
    full = time.strftime("%Y-%m-%dT%H:%M:%S", now)
    process_id = os.getpid()
    beginnings = {
        "": f"<{DAEMON_INFO}>{day} {NAME}[{process_id}]: ",
        "rfc3164": f"<{DAEMON_INFO}>{day} web-2 {NAME}[{process_id}]: ",
        "rfc5424": f"<{DAEMON_INFO}>1 {full}Z web-2 {NAME} {process_id} {NAME} - ",
        "rfc5424micro": f"<{DAEMON_INFO}>1 {full}.123456Z web-2 {NAME} {process_id} {NAME} - ",
    }
    return f"{beginnings[form]}{text}\n".encode()


def test_docker_sends_to_rsyslog(shared: Mount, tmp_path: Path) -> None:
    """By the local socket, and by the network, in each of its formats; the name of the container is the source."""
    port = free_port()
    settings = [json.loads(text)["log-opts"] for text in recipes("Docker", "json")]
    _, _, of_network = settings
    assert {each["tag"] for each in settings} == {"{{.Name}}"}
    listen = recipe("Docker", "rsyslog", shared, {'"601"': f'"{port}"'})
    assert of_network["syslog-address"] == "tcp://127.0.0.1:601"
    texts = ["contained: 'quoted' \"text\"", "contained: été", "contained: [x] level=info"]
    forms = {of_network["syslog-format"], "rfc3164", "rfc5424"}
    count = len(texts) * (1 + len(forms))
    with rsyslog(tmp_path, recipe("rsyslog", "rsyslog", shared), listen):
        eventually(lambda: is_listening(port))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
            local.connect(str(tmp_path / "log"))
            for text in texts:
                local.send(sent_by_docker("", text))
        for form in forms:
            with socket.create_connection(("127.0.0.1", port)) as remote:
                for text in texts:
                    remote.sendall(sent_by_docker(form, text))
        eventually(lambda: len(arrived(shared, ".", "contained")) >= count)
    lines = arrived(shared, f"by-source/{NAME}/untagged/by-level/info", "contained")
    found = [line.partition(b"contained")[2] for line in lines]
    wanted = [text.removeprefix("contained").encode() for text in texts]
    assert sorted(found) == sorted(wanted * (1 + len(forms)))
