"""A mount of the store on ClickHouse, with the tools that people use, on a real server that may die."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines.server import Server, free_ports

from tests.clickhouse.enginemount import EngineMount
from tests.mount.conftest import theiafs
from tests.stopping import stop_process
from tests.waiting import eventually

TIMEOUT_S = 3
LATE_S = 60
"""Much later than that."""


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that a test may kill."""
    started = Server(tmp_path / "engine")
    started.start()
    yield started
    started.stop()


def address_of(server: Server) -> str:
    return f"clickhouse://{server.host}/mounted"


@pytest.fixture
def mount(tmp_path: Path, own_server: Server) -> Iterator[EngineMount]:
    made = EngineMount(tmp_path, address_of(own_server))
    yield made
    made.clean_up()


def test_tools(mount: EngineMount) -> None:
    """An event that is appended is there at once, in every place where it belongs; what is removed is gone."""
    mount.mount("delete")
    mount.shell(
        "mkdir by-tag/web; echo 'ERROR: disk is full' >> by-tag/web/ingest; printf 'one\ntwo\n' >> ingest"
    )
    assert mount.shell("ls by-tag; cat by-tag/web/count count").split() == ["web", "1", "3"]
    assert mount.shell("cut -d' ' -f4- by-tag/web/events.log") == "ERROR: disk is full\n"
    assert (
        mount.shell("grep -rh disk minutes")
        == mount.shell("grep -h disk by-level/err/events")
        == "ERROR: disk is full\n"
    )
    assert mount.shell("cat minutes/*-*[0-9] | wc -c") == mount.shell("stat -c %s events")
    assert mount.shell("cat match/^two$/count not/by-tag/web/count").split() == ["1", "2"]
    assert mount.shell(
        "for file in $(find . -name 'events*'); do cmp -s $file <(cat $file) && stat -c %s $file; done | wc -l"
    )
    for path in (mount.path / "events", mount.path / "events.jsonl"):
        assert path.stat().st_size == len(path.read_bytes())
    mount.shell("ln -s ../by-tag/web views/w; ls views/w/ > /dev/null")
    mount.shell("rm minutes/*-*[0-9]")
    assert mount.shell("cat count; ls minutes") == "0\n"
    mount.umount()
    mount.mount()
    assert mount.shell("cat count; ls by-tag; readlink views/w").split() == [
        "0",
        "web",
        "../by-tag/web",
    ]


def test_following(mount: EngineMount) -> None:
    """``tail -f`` prints each line once, in order, also while the engine is away for a while."""
    mount.mount("delete")
    mount.shell("echo first >> ingest")
    with subprocess.Popen(
        ["tail", "-n", "+1", "-f", "events.log"], cwd=mount.path, stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        for number in range(3):
            mount.shell(f"echo {number} >> ingest")
        lines = [tail.stdout.readline().split(" ", 3)[3] for _ in range(4)]
        tail.terminate()
    assert lines == ["first\n", "0\n", "1\n", "2\n"]


def test_a_strict_mount(mount: EngineMount, own_server: Server, tmp_path: Path) -> None:
    """It shows at once what another has appended and declared: names, sizes, counts, bytes, and a file that is open."""
    (tmp_path / "other").mkdir()
    other = EngineMount(tmp_path / "other", address_of(own_server))
    mount.mount("strict")
    other.mount()
    try:
        with (mount.path / "events.log").open() as followed:
            for number in range(5):
                assert not followed.readline()
                other.shell(f"mkdir by-tag/t{number}; echo {number} >> by-tag/t{number}/ingest")
                assert f"t{number}" in os.listdir(mount.path / "by-tag")
                assert (mount.path / "count").read_text() == f"{number + 1}\n"
                path = mount.path / "by-tag" / f"t{number}" / "events.log"
                assert path.stat().st_size == len(path.read_bytes())
                size = (mount.path / "events.log").stat().st_size
                assert followed.readline().endswith(f" {number}\n")
                assert followed.tell() == size
    finally:
        other.umount()


def test_the_engine_dies_and_comes_back(mount: EngineMount, own_server: Server) -> None:
    """Meanwhile reads fail with EIO, and appends wait, and fail in time; what was acknowledged is there afterwards."""
    mount.mount(f"timeout={TIMEOUT_S}")
    mount.shell("mkdir by-tag/web; echo before >> by-tag/web/ingest")
    own_server.kill()
    for path in ("events", "by-tag/web/events.log", "count"):
        assert "Input/output error" in mount.shell(f"cat {path}", check=False)
    assert "Resource temporarily unavailable" in mount.shell("echo lost >> ingest", check=False)
    assert "engine_error" in mount.shell("cat status")
    with subprocess.Popen(
        ["bash", "-c", "echo waits >> by-tag/web/ingest"], cwd=mount.path
    ) as waiting:
        own_server.start()
    assert waiting.returncode == 0
    assert mount.shell("cut -d' ' -f4 events.log").split() == ["before", "waits"]


def test_an_engine_that_hangs(mount: EngineMount, own_server: Server) -> None:
    """It costs the timeout, and an append says that its outcome is unknown; it is stored once or not at all."""
    mount.mount(f"timeout={TIMEOUT_S}")
    mount.shell("echo before >> ingest")
    stop_process(own_server.process_id)
    began = time.monotonic()
    assert "Connection timed out" in mount.shell("echo unknown >> ingest", check=False)
    assert "Input/output error" in mount.shell("cat events", check=False)
    assert time.monotonic() - began < LATE_S
    own_server.send_signal(signal.SIGCONT)
    assert mount.shell("cut -d' ' -f4 events.log").split() in (["before"], ["before", "unknown"])


def test_a_spool(mount: EngineMount, own_server: Server, tmp_path: Path) -> None:
    """Events that are written while the engine is away are there when it is back, once, even if the mount is killed meanwhile."""
    options = f"timeout={TIMEOUT_S},spool={tmp_path / 'spool'}"
    mount.mount(options)
    mount.shell("mkdir by-tag/web; echo 1 >> by-tag/web/ingest; cat by-tag/web/count")
    own_server.kill()
    mount.shell("echo 2 >> ingest; echo 3 >> by-tag/web/ingest")
    process_id = int(mount.shell("sed -n 's/^process: //p' status"))
    os.kill(process_id, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{process_id}").exists())
    own_server.start()
    mount.mount(options)
    assert mount.shell("cut -d' ' -f4 events.log").split() == ["1", "2", "3"]
    mount.shell("echo 4 >> ingest")
    assert mount.shell("cat count") == "4\n"
    mount.umount()
    mount.mount(options)
    assert mount.shell("cat count; grep spool_bytes status").split() == ["4", "spool_bytes:", "0"]


@pytest.mark.parametrize("hangs", [False, True])
def test_unmounting_with_a_spool(
    mount: EngineMount, own_server: Server, tmp_path: Path, hangs: bool
) -> None:
    """It waits until the process has ended, so that the spool is free for the next mount, and says if the engine lacks something."""
    spool = tmp_path / "spool"
    options = f"timeout={TIMEOUT_S},spool={spool}"
    for number in range(3):
        mount.mount(options)
        mount.shell(f"echo {number} >> ingest")
        mount.umount()
    mount.mount(options)
    if hangs:
        stop_process(own_server.process_id)
    else:
        own_server.kill()
    mount.shell("echo 3 >> ingest")
    done = theiafs("umount", mount.path, check=False)
    assert done.returncode == 1
    assert f"to the engine (the log says why); it is safe in {spool}" in done.stderr
    if hangs:
        own_server.send_signal(signal.SIGCONT)
    else:
        own_server.start()
    mount.mount(options)
    assert mount.shell("cut -d' ' -f4 events.log").split() == ["0", "1", "2", "3"]
    mount.umount()
    mount.mount(options)
    assert mount.shell(f"grep spool status; ls -A {spool}/.theiafs/journal").split() == [
        "spool:", str(spool), "spool_bytes:", "0"
    ]  # fmt: skip


def test_the_password_is_nowhere(mount: EngineMount) -> None:
    """An address with one is refused, and not repeated; the environment has it, which the engine checks."""
    refused = theiafs("mount", "clickhouse://me:geheim@127.0.0.1:1/x", mount.path, check=False)
    assert refused.returncode != 0
    assert "geheim" not in refused.stderr
    assert "THEIAFS_CLICKHOUSE_PASSWORD" in refused.stderr


def test_nothing_there(mount: EngineMount) -> None:
    """Mounting fails where nothing listens, and says so."""
    refused = theiafs(
        "mount", f"clickhouse://127.0.0.1:{free_ports(1)[0]}/x", mount.path, check=False
    )
    assert refused.returncode != 0
    assert "cannot be reached" in refused.stderr
