"""nginx and supervisord, which run as root and write for others."""

import http.client
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.daemons import free_port, is_listening, running
from tests.mount.conftest import Mount
from tests.mount.daemons.arrivals import arrived
from tests.mount.daemons.recipes import recipe
from tests.waiting import eventually

NGINX = """\
daemon off; user www-data; worker_processes 2; pid {directory}/nginx.pid;
events {{}}
http {{
    client_body_temp_path {directory}/t; proxy_temp_path {directory}/t; fastcgi_temp_path {directory}/t;
    uwsgi_temp_path {directory}/t; scgi_temp_path {directory}/t;
    {recipe}
    server {{
        listen 127.0.0.1:{port}; root {directory}/www;
        location /found {{ return 200; }}
    }}
}}
"""
CLIENTS = 4
REQUESTS = 120
"""Those of each client."""
REOPENED_AFTER = 30
"""The number of requests of a client after which the logs are reopened, while the others go on."""
FAILURES = 20
"""How many of the requests are for a file that is not there, which nginx logs as an error as well."""


def ask(port: int, client: int, reopen: Callable[[], None]) -> None:
    """Make the requests of a *client*, by one connection to a *port*; *reopen* the logs from time to time."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number in range(1, REQUESTS + 1):
        name = "missing" if number <= FAILURES else "found"
        connection.request("GET", f"/{name}/{client}-{number}")
        connection.getresponse().read()
        if number % REOPENED_AFTER == 0:
            reopen()
    connection.close()


@pytest.mark.parametrize("is_for_all", [True, False])
def test_nginx_that_reopens_its_logs_loses_no_request(
    request: pytest.FixtureRequest, tmp_path: Path, is_for_all: bool
) -> None:
    """While it answers; where its workers, which are not root, cannot open the files, they say so, and keep those they have.

    Where they can, they do so after a crash too.
    """
    mount: Mount = request.getfixturevalue("shared" if is_for_all else "mounted")
    mount.shell("mkdir -p by-tag/web")
    port = free_port()
    config = tmp_path / "nginx.conf"
    text = recipe("nginx", "nginx", mount)
    config.write_text(NGINX.format(directory=tmp_path, port=port, recipe=text))
    asked = [f"{client}-{number + 1}" for client in range(CLIENTS) for number in range(REQUESTS)]
    access = "by-tag/web/match/%2F(found|missing)%2F/not/by-level/err"
    errors = "by-tag/web/by-source/nginx/by-level/err+"
    with running("nginx", "-c", str(config), "-e", str(tmp_path / "error.log")) as nginx:
        eventually(lambda: is_listening(port))
        reopen = partial(nginx.send_signal, signal.SIGUSR1)
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(lambda client: ask(port, client, reopen), range(CLIENTS)))
        eventually(lambda: mount.events(f"{access}/count") == b"%d\n" % len(asked))
        if is_for_all:
            os.kill(mount.process_id, signal.SIGKILL)
            mount.mount()
            reopen()

            def is_back() -> bool:
                connection = http.client.HTTPConnection("127.0.0.1", port)
                connection.request("GET", "/back")
                connection.getresponse().read()
                connection.close()
                return bool(arrived(mount, "by-tag/web", "GET /back"))

            eventually(is_back)
    requests = [line.split()[6].decode() for line in mount.contents(f"{access}/events")]
    assert sorted(path.rpartition("/")[2] for path in requests) == sorted(asked)
    failed = [line for line in mount.contents(f"{errors}/events") if b"GET /back" not in line]
    assert len(failed) == CLIENTS * FAILURES
    assert all(b'"GET /missing/' in line for line in failed)
    cannot_open = '/ingest.combined" failed (13: Permission denied)'
    assert (cannot_open in (tmp_path / "error.log").read_text()) == (not is_for_all)


SUPERVISORD = """\
[supervisord]
nodaemon=true
user=root
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
"""
PROGRAM = "import os\nfor number in range({lines}): os.write(1, b'{word} %d\\n' % number)"
LINES = 500
ROTATIONS = {
    "never": "maxbytes=0",
    "to-nothing": "maxbytes=500\nstdout_logfile_backups=0",
    "to-backups": "maxbytes=500\nstdout_logfile_backups=3",
}
"""That of the recipe, and two that happen many times a second."""


def test_supervisord_loses_nothing(shared: Mount, tmp_path: Path) -> None:
    """It may rotate."""
    config = tmp_path / "supervisord.conf"
    text = SUPERVISORD.format(directory=tmp_path)
    for word, rotation in ROTATIONS.items():
        program = tmp_path / f"{word}.py"
        program.write_text(PROGRAM.format(lines=LINES, word=word))
        command = f"{sys.executable} {program}"
        changes = {"program:shop": f"program:{word}", "/usr/local/bin/shop": command}
        text += recipe("supervisord", "ini", shared, {**changes, "maxbytes=0": rotation})
        text += "autorestart=false\nstartsecs=0\n"
    config.write_text(text)
    with running("supervisord", "-c", str(config)):
        for word in ROTATIONS:
            eventually(lambda: len(arrived(shared, "by-tag/shop", word)) >= LINES)  # noqa: B023 - called at once
    for word in ROTATIONS:
        lines = [f"{word} {number}".encode() for number in range(LINES)]
        assert arrived(shared, "by-tag/shop/by-source/supervisord", word) == lines
    messages = (tmp_path / "supervisord.log").read_text()
    assert messages.count("(exit status 0; expected)") == len(ROTATIONS)
    assert "Error" not in messages
