"""Views, errors and status through a real mount, with the programs that people use."""

import os
import re
import subprocess
from collections.abc import Callable

import pytest

from tests.mount.conftest import Mount
from tests.waiting import eventually

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (\S+)\[(\d+)\] ([a-z]+) (\S+) (E[A-Z]+): (.*)"
)


def error_lines(mount: Mount) -> list[tuple[str, ...]]:
    """Return the command, operation, path and errno of each line of ``errors``, those with carets aside."""
    found = []
    for line in mount.events("errors").decode().splitlines():
        if line.strip(" ") != "^":
            fields = LINE.fullmatch(line)
            assert fields is not None, line
            found.append(fields.group(1, 3, 4, 5))
    return found


def status_of(mount: Mount) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in mount.shell("cat status").splitlines())


def test_a_view_is_made_used_renamed_and_removed(mounted: Mount) -> None:
    """With ln, cat, cd, mv and rm, as any link; it survives a remount."""
    mounted.shell("mkdir by-tag/web && echo one >> by-tag/web/ingest && echo two >> ingest")
    mounted.shell("ln -s ../by-tag/web views/web")
    assert mounted.shell("cat views/web/count") == "1\n"
    assert mounted.shell("cd views/web && pwd -P && cat count").splitlines() == [
        f"{mounted.path}/by-tag/web", "1",
    ]  # fmt: skip
    assert "one\n" in mounted.shell("cat views/web/range/last-15m/events")
    mounted.shell("echo three >> views/web/ingest")
    assert mounted.shell("cat by-tag/web/count") == "2\n"
    assert (
        mounted.shell("readlink views/web; stat -c %F views/web")
        == "../by-tag/web\nsymbolic link\n"
    )
    mounted.shell("mv views/web views/other")
    mounted.remount()
    assert mounted.shell("ls views; cat views/other/count") == "other\n2\n"
    assert os.readlink(mounted.store_path / ".theiafs/views/other") == "../by-tag/web"
    mounted.shell("ln -sfn ../untagged views/other")
    assert mounted.shell("cat views/other/count") == "1\n"
    mounted.shell("ln -s other views/again && cat views/again/count && rm views/*")
    assert mounted.shell("ls -A views") == ""


def test_names_that_are_not_utf_8(mounted: Mount) -> None:
    """They are invalid for what is to be made, and nothing else has one."""
    mounted.shell("ln -s ../untagged views/a")
    root = os.fsencode(mounted.path)
    bad = root + b"/views/\xfe"
    makes: list[Callable[[], None]] = [
        lambda: os.rename(root + b"/views/a", bad),
        lambda: os.symlink(b"../untagged", bad),
        lambda: os.symlink(b"../by-tag/\xff", root + b"/views/b"),
    ]
    for make in makes:
        with pytest.raises(OSError, match="Invalid argument"):
            make()
    with pytest.raises(FileNotFoundError):
        os.rename(bad, root + b"/views/c")
    assert mounted.shell("ls -A views") == "a\n"
    assert [line[1:] for line in error_lines(mounted)] == [
        ("rename", "/views/a", "EINVAL"),
        ("symlink", "/views/\\xfe", "EINVAL"),
        ("symlink", "/views/b", "EINVAL"),
    ]


def test_walks_do_not_follow_views(mounted: Mount) -> None:
    """Every event counts once, and those that follow links come to an end."""
    mounted.shell("echo needle >> ingest && ln -s .. views/all && ln -s ../minutes views/minutes")
    assert mounted.shell("(grep -rl needle views || true) | wc -l") == "0\n"
    assert mounted.shell("find views -type f | wc -l") == "0\n"
    assert mounted.shell("grep -Rl needle views/minutes | wc -l") == "1\n"
    mounted.shell("grep -Rl needle views", check=False)


@pytest.mark.parametrize(
    ("script", "message", "expected"),
    [
        ("ln -s /etc views/x", "Invalid argument", ("ln", "symlink", "/views/x", "EINVAL")),
        ("ln -s ../../x views/x", "Invalid argument", ("ln", "symlink", "/views/x", "EINVAL")),
        ("ln -s ../by-tg/x views/x", "Invalid argument", ("ln", "symlink", "/views/x", "EINVAL")),
        ("ln -s ../by-tag/web by-source/x", "Operation not permitted", ("ln", "symlink", "/by-source/x", "EPERM")),
        ("ln -sT .. views/v", "File exists", None),
        (r"ln -sT .. $'views/\xff'", "Invalid argument", ("ln", "symlink", r"/views/\xff", "EINVAL")),
        (r"ln -sT $'\xff' views/x", "Invalid argument", ("ln", "symlink", "/views/x", "EINVAL")),
        ("mv views/v v", "Operation not permitted", ("mv", "rename", "/views/v", "EPERM")),
        ("mv README views/", "Operation not permitted", ("mv", "rename", "/README", "EPERM")),
        ("rm views/none", "No such file or directory", None),
        ("touch views/x", "Operation not permitted", ("touch", "create", "/views/x", "EPERM")),
        ("cat range/2026-13/count", "Invalid argument", ("cat", "getattr", "/range/2026-13", "EINVAL")),
        ("mkdir by-tag/a,b", "Invalid argument", ("mkdir", "mkdir", "/by-tag/a,b", "EINVAL")),
        ("cat by-tag/unknown/count", "No such file or directory", None),
        ("dd if=/dev/zero of=ingest bs=1100 count=1 status=none", "Message too long", ("dd", "write", "/ingest", "EMSGSIZE")),
    ],
)  # fmt: skip
def test_errors_says_why(
    make_mount: Callable[..., Mount], script: str, message: str, expected: tuple[str, ...] | None
) -> None:
    """A line for each request that was refused, and none for a name that is not there."""
    mount = make_mount("max_event=1000")
    mount.shell("ln -s .. views/v")
    assert message in mount.shell(script, check=False)
    lines = error_lines(mount)
    assert set(lines) == ({expected} if expected else set())
    assert (mount.path / "errors").stat().st_size == len(mount.events("errors"))
    assert int(status_of(mount)["errors"]) == len(lines)


def test_a_caret_and_a_forger(mounted: Mount) -> None:
    """A path with newlines and escape sequences is one line; the caret is below what is wrong."""
    mounted.shell("cat range/2026..2026-1/count", check=False)
    line, caret = mounted.events("errors").decode().splitlines()
    assert line[len(caret) - 1 :].startswith("2026-1 EINVAL: ")
    name = b"x\n2026-11-26T05:50:44.957427Z root[1] open /x EPERM: forged \x1b[2J\xc2\x9b"
    for path in (b"range/" + name, b"range/\xff"):
        subprocess.run([b"cat", path], cwd=mounted.path, stderr=subprocess.DEVNULL, check=False)
    data = mounted.events("errors")
    assert len(error_lines(mounted)) == 2
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\x9f]", data.replace(rb"\xc2\x9b", b""))
    assert rb"/range/x\n2026-11-26T05:50:44.957427Z\x20root[1]\x20open\x20" in data.replace(
        b"%2F", b"/"
    )


def test_tail_follows_errors(mounted: Mount) -> None:
    """New lines, and the number of repetitions after a second, though nothing else happens."""
    with subprocess.Popen(
        ["tail", "-f", "-s", "0.1", "-n", "+1", "errors"], cwd=mounted.path, stdout=subprocess.PIPE
    ) as tail:
        try:
            assert tail.stdout is not None
            for _ in range(5):
                with pytest.raises(OSError, match="Invalid argument"):
                    os.stat(mounted.path / "range" / "x")
            assert b" getattr /range/x EINVAL: not a time range" in tail.stdout.readline()
            repeated = tail.stdout.readline()
            assert re.search(rb"\(\d more times?\)\n$", repeated), repeated
        finally:
            tail.kill()


def test_errors_are_kept_over_a_remount(mounted: Mount) -> None:
    """With what was lost when the last file was closed by it."""
    mounted.shell("touch nope", check=False)
    mounted.shell("printf 'event: 73 66 7\\nid:' >> ingest")
    eventually(lambda: len(error_lines(mounted)) == 2)
    before = mounted.events("errors")
    assert error_lines(mounted)[1] == ("bash", "release", "/ingest", "EINVAL")
    assert "lost when an ingest file was closed" in mounted.log()
    mounted.log_path.write_text("")
    mounted.remount()
    assert mounted.events("errors") == before
    assert status_of(mounted)["errors"] == "0"


def test_status_tells_how_it_is_mounted(make_mount: Callable[..., Mount]) -> None:
    """Versions, options, open files, and the process that serves it."""
    mount = make_mount("max_event=64K")
    status = status_of(mount)
    assert status["process"] == str(mount.process_id)
    assert status["lock_holder"] == f"process {mount.process_id}"
    assert re.fullmatch(r"(fusepy on libfuse 2|mfusepy on libfuse 3)\.\d+", status["fuse"])
    assert "max_event=65536" in status["options"]
    assert status["open_files"] == "0"
    with (mount.path / "ingest").open("ab"):
        assert status_of(mount)["open_files"] == "1"
    mount.shell("echo x >> ingest")
    assert status_of(mount)["events"] == "1"
    # A flush between the two gives it another size.
    eventually(lambda: (mount.path / "status").stat().st_size == len(mount.events("status")))


def test_a_mount_that_only_reads_changes_nothing(make_mount: Callable[..., Mount]) -> None:
    """Views are shown, and cannot be changed; its errors are its own."""
    mount = make_mount()
    mount.shell("mkdir by-tag/web && ln -s ../by-tag/web views/web; touch nope", check=False)
    mount.umount()
    mount.options += ",ro"
    mount.mount()
    assert mount.shell("cat views/web/count") == "0\n"
    for script in ("ln -s .. views/x", "rm views/web", "mv views/web views/x"):
        assert "Read-only file system" in mount.shell(script, check=False)
    assert error_lines(mount) == []
    mount.shell("cat range/x/count", check=False)
    assert error_lines(mount) == [("cat", "getattr", "/range/x", "EINVAL")]
