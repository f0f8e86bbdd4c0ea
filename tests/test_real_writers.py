"""Daemons that write logs, run for the test: the number of events, their times and levels are what other programs read."""

import http.client
import logging
import logging.handlers
import re
import subprocess
from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.daemons import ENVIRONMENT, free_port, is_listening, running
from tests.logreading import read_log, read_with_date, read_with_lnav
from tests.waiting import eventually

ZONE = "America/New_York"
SEVERITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]


NGINX = """\
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log info;
events {{}}
http {{
    log_format common '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent';
    client_body_temp_path {directory}/t; proxy_temp_path {directory}/t; fastcgi_temp_path {directory}/t;
    uwsgi_temp_path {directory}/t; scgi_temp_path {directory}/t;
    access_log {directory}/access.log combined; access_log {directory}/common.log common;
    server {{
        listen 127.0.0.1:{port}; root {directory}/www;
        location /fail {{ return 500; }}
    }}
}}
"""


@pytest.fixture
def nginx_logs(tmp_path: Path) -> Path:
    """The directory of the logs of an nginx that was asked for something."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("hello\n")
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(directory=tmp_path, port=port))
    with running("nginx", "-c", str(config), "-e", str(tmp_path / "error.log")):
        eventually(lambda: is_listening(port))
        for number in range(30):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            path = ("/", "/missing?q=a%20b", "/fail", '/"quoted"')[number % 4]
            connection.request("GET", path, headers={"User-Agent": f'agent "{number}"'})
            connection.getresponse().read()
            connection.close()
        eventually(lambda: count_lines(tmp_path / "access.log") >= 30)
    return tmp_path


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize("name", ["access.log", "common.log"])
def test_access_logs_of_nginx(name: str, nginx_logs: Path, tmp_path: Path) -> None:
    """The times are those that lnav reads, the statuses those that stand after the request."""
    path = nginx_logs / name
    log = read_log(path, keys=("status",))
    assert log.ticks == read_with_lnav(path, tmp_path)[0]
    statuses = [found[1] for found in re.finditer(r'" (\d{3}) \d', path.read_text())]
    assert len(statuses) == count_lines(path)
    assert log.tags == Counter(f"status={status}" for status in statuses)
    assert {"status=200", "status=404", "status=500"} <= log.tags.keys()
    assert (log.format, len(log.ticks)) == ("combined", count_lines(path))


def test_error_log_of_nginx(nginx_logs: Path) -> None:
    """The times are those that ``date`` reads, the levels the words in brackets."""
    path = nginx_logs / "error.log"
    lines = path.read_text().splitlines()
    log = read_log(path)
    assert log.ticks == read_with_date(line[:19] for line in lines)
    words = [line.split()[2].strip("[]") for line in lines]
    assert log.levels == Counter(
        {"error": "err", "warn": "warning"}.get(word, word) for word in words
    )
    assert log.format == "dated"
    assert log.levels["err"] > 0


RSYSLOG = """\
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{directory}/log" UseSysTimeStamp="off" ParseTrusted="off" RateLimit.Interval="0")
global(workDirectory="{directory}" localHostname="web-1")
*.* action(type="omfile" file="{directory}/traditional.log" template="RSYSLOG_TraditionalFileFormat")
*.* action(type="omfile" file="{directory}/iso.log" template="RSYSLOG_FileFormat")
*.* action(type="omfile" file="{directory}/protocol.log" template="RSYSLOG_SyslogProtocol23Format")
"""


@pytest.fixture
def rsyslog_logs(tmp_path: Path) -> Path:
    """The directory of the logs of an rsyslog that two programs sent something to, in all of its usual templates."""
    config = tmp_path / "rsyslog.conf"
    config.write_text(RSYSLOG.format(directory=tmp_path))
    pid_file = tmp_path / "rsyslog.pid"
    with running("rsyslogd", "-n", "-f", str(config), "-i", str(pid_file), zone=ZONE):
        eventually((tmp_path / "log").exists)
        for number in range(40):
            handler = logging.handlers.SysLogHandler(str(tmp_path / "log"), number % 8 + 16)
            handler.ident = ("shop[42]: ", "mail: ")[number % 2]
            level = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)[number // 2 % 4]
            handler.handle(logging.LogRecord("x", level, "", 0, f"item {number}", (), None))
            handler.close()
        names = ("traditional", "iso", "protocol")
        eventually(lambda: all(count_lines(tmp_path / f"{name}.log") >= 40 for name in names))
    return tmp_path


def without_own_lines(lines: list[str]) -> list[str]:
    """Leave out what rsyslog says of itself."""
    return [line for line in lines if "rsyslogd" not in line]


@pytest.mark.parametrize("name", ["traditional", "iso", "protocol"])
def test_files_of_rsyslog(name: str, rsyslog_logs: Path) -> None:
    """The times are those that ``date`` reads; where the line begins with a priority, it is the level."""
    path = rsyslog_logs / f"{name}.log"
    lines = path.read_text().splitlines()
    log = read_log(path, zone=ZoneInfo(ZONE), keys=("host", "severity"))
    texts = [re.sub(r"^<\d+>(?:1 )?", "", line) for line in lines]
    dates = [text[:15] if name == "traditional" else text.split()[0] for text in texts]
    if name == "traditional":
        dates = [f"{date} {datetime.now(ZoneInfo(ZONE)).year}" for date in dates]
    assert log.ticks == read_with_date(dates, ZONE)
    assert log.format == "syslog"
    assert (log.sources["shop"], log.sources["mail"]) == (20, 20)
    assert log.tags["host=web-1"] == len(lines)
    if name == "protocol":
        priorities = [int(line[1 : line.index(">")]) for line in lines]
        assert log.levels == Counter(SEVERITIES[priority % 8] for priority in priorities)
        assert log.tags["severity=err"] == log.levels["err"] == 10


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of systemd, written by systemd-journal-remote, with fields of all kinds."""
    entries = []
    for number in range(40):
        entry = {
            "__REALTIME_TIMESTAMP": 1_795_428_900_123_456 + number * 1_234_567,
            "__MONOTONIC_TIMESTAMP": 1000 + number,
            "_BOOT_ID": "4c3bd5f8c4f94b0e9a8c2c2f6c1f5e0d",
            "_HOSTNAME": "web-1",
            "PRIORITY": number % 8,
            ("SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_COMM")[number % 3]: f"app{number % 3}",
        }
        if number == 0:
            del entry["PRIORITY"]
        message = (f"item {number}".encode(), b"two\nlines", b"\xff\x00 bytes", "été".encode())[
            number % 4
        ]
        size = len(message).to_bytes(8, "little")
        fields = "".join(f"{name}={value}\n" for name, value in entry.items()).encode()
        entries.append(fields + b"MESSAGE\n" + size + message + b"\n")
    exported, path = tmp_path / "exported", tmp_path / "made.journal"
    exported.write_bytes(b"\n".join(entries) + b"\n")
    command = ["/lib/systemd/systemd-journal-remote", "-o", str(path), str(exported)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def journalctl(path: Path, *options: str) -> bytes:
    return subprocess.run(
        ["journalctl", "--file", str(path), "--quiet", *options], check=True, capture_output=True
    ).stdout


def test_a_journal(journal: Path, tmp_path: Path) -> None:
    """The times are those that journalctl shows, the levels those that it selects by."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(journalctl(journal, "-o", "json"))
    log = read_log(path)
    shown = re.findall(rb"^(\d+)\.(\d{6}) ", journalctl(journal, "-o", "short-unix"), re.MULTILINE)
    assert log.ticks == [int(seconds + fraction) * 10 for seconds, fraction in shown]
    for code, level in enumerate(SEVERITIES):
        selected = journalctl(journal, "-p", f"{code}..{code}", "-o", "json").count(b"\n")
        assert log.levels[level] == selected, level
    assert (log.format, sum(log.levels.values())) == ("journal", 39)
    assert log.sources == Counter(app0=14, app1=13, app2=13)


CONTROL = """\
Package: shop
Version: 1.0
Architecture: all
Maintainer: Ada <ada@example.org>
Description: nothing
"""


def test_dpkg_log(tmp_path: Path) -> None:
    """The times are those that ``date`` reads in the zone of the machine."""
    package, root, path = (tmp_path / name for name in ("shop", "root", "dpkg.log"))
    (package / "DEBIAN").mkdir(parents=True)
    (package / "DEBIAN" / "control").write_text(CONTROL)
    for name in ("info", "updates"):
        (root / "var/lib/dpkg" / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    dpkg = ["dpkg", f"--root={root}", f"--log={path}", "--force-not-root"]
    for command in (
        ["dpkg-deb", "--build", "shop", "shop.deb"],
        [*dpkg, "--install", "shop.deb"],
        [*dpkg, "--remove", "shop"],
    ):
        environment = ENVIRONMENT | {"TZ": ZONE}
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=environment)
    lines = path.read_text().splitlines()
    log = read_log(path, zone=ZoneInfo(ZONE))
    assert log.ticks == read_with_date((line[:19] for line in lines), ZONE)
    assert (log.format, log.levels, len(log.ticks)) == ("dated", Counter(), len(lines))
    assert len(lines) > 10
