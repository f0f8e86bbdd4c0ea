"""Programs that write their own logs: by Python's handlers, and by a standard output that systemd or cron opened."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mount.conftest import Mount
from tests.mount.daemons.arrivals import arrived
from tests.mount.daemons.recipes import recipe
from tests.waiting import eventually

HANDLERS: dict[str, dict[str, object]] = {
    "FileHandler": {"class": "logging.FileHandler"},
    "FileHandler, which truncates": {"class": "logging.FileHandler", "mode": "w"},
    "WatchedFileHandler": {"class": "logging.handlers.WatchedFileHandler"},
    "RotatingFileHandler": {
        "class": "logging.handlers.RotatingFileHandler",
        "maxBytes": 10,
        "backupCount": 2,
    },
    "TimedRotatingFileHandler": {
        "class": "logging.handlers.TimedRotatingFileHandler",
        "when": "S",
        "backupCount": 2,
        "utc": True,
    },
}
"""All handlers of Python that write to files, with what they need to rotate often."""
PROCESSES = 4
RECORDS = 60
PROGRAM = """
root = logging.getLogger()
root.handlers[0].rolloverAt = 0  # for the one that rotates by time
for number in range({records}):
    root.info("{word} process-%s %d", sys.argv[1], number)
try:
    raise ValueError("{word} raised")
except ValueError:
    root.exception("{word} process-%s failed", sys.argv[1])
"""


@pytest.mark.parametrize("name", HANDLERS)
def test_handlers_of_python_lose_nothing(shared: Mount, tmp_path: Path, name: str) -> None:
    """Each of several processes has one, all for the same file; a traceback stays in its record."""
    word = "".join(filter(str.isalpha, name))
    fields = "".join(f"{key!r}: {value!r}, " for key, value in HANDLERS[name].items())
    changes = {
        '"class": "logging.FileHandler",': fields,
        '"delay": True': '"delay": int(sys.argv[1]) % 2 == 0',
    }
    text = "import sys\n" + recipe("Python", "python", shared, changes)
    program = tmp_path / "program.py"
    program.write_text(text + PROGRAM.format(records=RECORDS, word=word))
    processes = [
        subprocess.Popen([sys.executable, program, str(number)], stderr=subprocess.PIPE)
        for number in range(PROCESSES)
    ]
    assert [process.communicate()[1] for process in processes] == [b""] * PROCESSES
    records = arrived(shared, "by-tag/shop", word)
    assert len(records) == PROCESSES * (RECORDS + 1)
    for number in range(PROCESSES):
        its = [record for record in records if b"process-%d" % number in record]
        beginning = f"INFO root: {word} process-{number} ".encode()
        assert its[:-1] == [beginning + b"%d" % each for each in range(RECORDS)]
        assert its[-1].startswith(f"ERROR root: {word} process-{number} failed\nTraceback".encode())
        assert its[-1].endswith(f"\nValueError: {word} raised".encode())


def test_a_record_of_a_shell_script(shared: Mount) -> None:
    """It is one event of several lines."""
    script = recipe("Shell scripts", "sh", shared, {"backup failed": "word-of-shell: failed"})
    subprocess.run(["sh", "-euc", script], check=True)
    [record] = arrived(shared, "by-tag/backup", "word-of-shell")
    assert record.startswith(b"word-of-shell: failed: the disk is full\nFilesystem ")
    assert len(record.splitlines()) == 3


def test_a_unit_of_systemd(shared: Mount, tmp_path: Path) -> None:
    """systemd finds nothing wrong with it, and a program that has the files open as systemd opens them, loses nothing."""
    program = tmp_path / "shop"
    program.write_text("#!/bin/sh\necho a unit says one; echo a unit says two >&2\n")
    program.chmod(0o755)
    text = recipe("systemd units", "ini", shared, {"/usr/local/bin/shop": program})
    unit = tmp_path / "shop.service"
    unit.write_text(text)
    subprocess.run(["systemd-analyze", "verify", "--man=no", unit], check=True)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    service = parser["Service"]
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC
    output, errors = (
        os.open(service[name].removeprefix("append:"), flags, 0o644)
        for name in ("StandardOutput", "StandardError")
    )
    subprocess.run([service["ExecStart"]], stdout=output, stderr=errors, check=True)
    os.close(output)
    os.close(errors)
    lines = arrived(shared, "by-tag/shop/by-source/shop", "a unit says")
    assert lines == [b"a unit says one", b"a unit says two"]


def test_a_job_of_cron(shared: Mount, tmp_path: Path) -> None:
    """cron gives the rest of the line to a shell."""
    program = tmp_path / "backup"
    program.write_text(
        "#!/bin/sh\necho a job says one; echo a job says two >&2; printf 'a job says three'\n"
    )
    program.chmod(0o755)
    line = recipe("cron", "cron", shared, {"/usr/local/bin/backup": program})
    *_, command = line.split(maxsplit=6)
    subprocess.run(["/bin/sh", "-c", command], check=True)
    path = "by-tag/backup/by-source/backup"
    eventually(lambda: len(arrived(shared, path, "a job says")) == 3)
    lines = arrived(shared, path, "a job says")
    assert lines == [b"a job says one", b"a job says two", b"a job says three"]
