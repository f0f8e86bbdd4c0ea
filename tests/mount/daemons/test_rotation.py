"""Programs that rotate or replace files lose nothing where they cannot, and say so."""

import os
import subprocess
from pathlib import Path

from store import Event, EventSerializer
from tests.daemons import ENVIRONMENT
from tests.mount.conftest import Mount
from tests.mount.daemons.arrivals import arrived
from tests.mount.daemons.recipes import recipe
from tests.waiting import eventually

RULE = """\
{path} {{
    weekly
    rotate 3
    {directives}
}}
"""


EXISTS = "error: error creating output file {path}: File exists"
NOT_PERMITTED = "error: error creating output file {path}.1: Operation not permitted"
ROTATIONS = {
    "copytruncate": NOT_PERMITTED,
    "copytruncate\n olddir {elsewhere}": "",
    "copy": NOT_PERMITTED,
    "notifempty\n create": "",
    "size 1\n create": "",
    # The kernel knows the new names of these for a moment.
    "nocreate": "",
    "create": EXISTS,
    "create\n dateext\n compress": EXISTS,
}
"""What a rule says, and the last line of logrotate's messages."""


def logrotate(path: Path, directory: Path, directives: str) -> tuple[int, list[str]]:
    """Rotate the file at *path* by a rule that says *directives*; return logrotate's exit status and messages."""
    rule = directory / "rule"
    elsewhere = directory / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    rule.write_text(RULE.format(path=path, directives=directives.format(elsewhere=elsewhere)))
    # A size is not asked for by force.
    options = [] if "size" in directives else ["--force"]
    command = ["logrotate", "--state", str(directory / "state"), *options, str(rule)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    return done.returncode, done.stderr.splitlines()


def test_logrotate_loses_nothing(mounted: Mount, tmp_path: Path) -> None:
    """Whichever way it rotates; what cannot be done is an error.

    The file is of a mount that strangers cannot write: in another, logrotate does nothing at all.
    """
    path = mounted.path / "ingest"
    wanted = []
    with path.open("ab", buffering=0) as writer:
        for directives, message in ROTATIONS.items():
            for turn in (1, 2):
                lines = [
                    f"{when} {directives.split()} {turn}" for when in ("before", "after", "again")
                ]
                writer.write(f"{lines[0]}\n".encode())
                status, messages = logrotate(path, tmp_path, directives)
                assert messages[-1:] == [message.format(path=path)][: bool(message)], directives
                assert status == bool(message)
                writer.write(f"{lines[1]}\n".encode())
                mounted.shell(f'echo "{lines[2]}" >> ingest')
                wanted += [line.encode() for line in lines]
    assert mounted.contents() == wanted


def test_old_minutes_are_removed_from_the_store(mounted: Mount) -> None:
    """By the command of the recipe, which leaves everything else."""
    mounted.shell("mkdir by-tag/web; seq 3 >> by-tag/web/ingest")
    mounted.remount()
    [old] = mounted.shell("ls minutes").split()
    os.utime(mounted.store_path / old, (0, 0))
    record = EventSerializer().serialize(Event("id", "app", 1.0, [], "late"))
    (mounted.path / "ingest").write_bytes(record)
    mounted.remount()
    mounted.shell(recipe("logrotate", "sh", mounted))
    eventually(lambda: mounted.shell("ls minutes").split() == ["1-61"])
    mounted.shell("echo newest >> by-tag/web/ingest")
    assert mounted.contents() == [b"late", b"newest"]


def test_rsync_appends_in_place_and_not_otherwise(shared: Mount, tmp_path: Path) -> None:
    """Otherwise it writes a file of another name first, which is an error."""
    lines = tmp_path / "lines"
    lines.write_text("".join(f"a line for rsync {number}\n" for number in range(1000)))
    messages = shared.shell(f"rsync {lines} ingest", check=False)
    assert messages.count("failed: Operation not permitted") == 1
    assert not arrived(shared, ".", "for rsync")
    for turn, options in enumerate(("--inplace", "-a --inplace", "--inplace --no-whole-file"), 1):
        shared.shell(f"rsync {options} {lines} ingest")
        assert len(arrived(shared, "by-source/rsync", "for rsync")) == 1000 * turn


def test_a_typo_is_an_error(shared: Mount) -> None:
    """As the recipes say."""
    for name in ("ingset", "by-tag/shop/ingset", "ingest.1", "ingest.json"):
        assert "not permitted" in shared.shell(f"echo x >> {name}", check=False)
