"""The cost of opening a log that an earlier process left."""

from pathlib import Path

from tests.doubles import CountingDisk
from tests.minutes import FilesOnDisk
from tests.test_recovery import events, joined


def test_a_replay_is_one_pass(tmp_path: Path) -> None:
    """Twice as many single events take twice as much reading, and hardly more opening."""

    def replay(count: int) -> tuple[int, int]:
        directory = tmp_path / str(count)
        directory.mkdir()
        with FilesOnDisk(str(directory)) as files:
            opened = [files.open(f"{start}-{start + 60}") for start in range(0, 600, 60)]
            for number in range(count):
                files.write(opened[number % 10], *events(number, number + 1))
        disk = CountingDisk()
        with FilesOnDisk(str(directory), disk) as files:
            assert len(files.files) == 10
            files.flush(*files.files.values())
            assert sum(file.size for file in files.files.values()) == len(joined(0, count))
        return disk.opened, disk.read_size

    opened, read_size = replay(5_000)
    opened_twice, read_size_twice = replay(10_000)
    assert read_size_twice < 2.5 * read_size
    assert opened_twice < 1.1 * opened
