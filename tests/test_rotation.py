"""The files of one log: which it is, and their order."""

import os
import random
from pathlib import Path

import pytest

from theiafs.importing.inputs import Input
from theiafs.importing.lognames import log_name, rotation_key
from theiafs.importing.rotation import in_order

SETS = [
    ["app.log.10.gz", "app.log.9.gz", "app.log.2.gz", "app.log.1", "app.log"],
    ["access.log-20251231.gz", "access.log-20260101.gz", "access.log-20261123", "access.log"],
    ["syslog.3.xz", "syslog.2.zst", "syslog.1.bz2", "syslog"],
    ["app.log-2026112309", "app.log-2026112310", "app.log"],
    ["app.log-1700000000", "app.log-1700086400", "app.log"],
    ["app.log.2026-11-22", "app.log.2026-11-23", "app.log"],
    ["app-2026-11-22.1.log.gz", "app-2026-11-22.2.log.gz", "app-2026-11-23.1.log", "app.log"],
    ["app.3.log", "app.2.log", "app.log"],
    ["mail.log.old", "mail.log"],
    ["shop_2026-11-22_10-15-00.jsonl", "shop_2026-11-23_10-15-00.jsonl", "shop.jsonl"],
]


@pytest.mark.parametrize("names", SETS, ids=lambda names: names[0])
def test_names_of_one_log(names: list[str]) -> None:
    """All are of the log with the last name, and stand from the oldest on."""
    assert {log_name(f"/var/log/{name}") for name in names} == {names[-1]}
    keys = [rotation_key(f"/var/log.1/{name}") for name in names]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "name",
    [
        "app.log",
        "Apache.log",
        "dpkg.log",
        "web-1.log",
        "node2.log",
        "port-8080.log",
        "1.2.gz",
        ".gz",
    ],
)
def test_names_that_stay(name: str) -> None:
    """Numbers that are no rotation, and what would have no name."""
    assert log_name(name) in (name, "1")


@pytest.mark.parametrize("names", SETS, ids=lambda names: names[0])
def test_order_by_name(names: list[str], tmp_path: Path) -> None:
    """However they are given, if no event has a time, or all have the same."""
    for name in names:
        (tmp_path / name).touch()
    for seed in range(5):
        given = random.Random(seed).sample(names, len(names))
        files = [Input(str(tmp_path / name), 100) for name in given]
        for found in (in_order(files, lambda _file: None), in_order(files, lambda _file: 5)):
            assert [os.path.basename(each.name) for each in found] == names


def test_order_by_time(tmp_path: Path) -> None:
    """The time counts before the name, the order in which they are given last; those without a time come last."""
    times = {"b.log": 7, "app.log.1": 9, "app.log": 3, "a.log": 7, "x.log": None, "z.log.1": None}
    for name in times:
        (tmp_path / name).touch()
    files = [Input(str(tmp_path / name), 100) for name in times]
    found = in_order(files, lambda file: times[os.path.basename(file.name)])
    names = [os.path.basename(each.name) for each in found]
    assert names == ["app.log", "b.log", "a.log", "app.log.1", "z.log.1", "x.log"]


def test_a_file_that_is_given_twice(tmp_path: Path) -> None:
    """It is imported once, by its first name."""
    (tmp_path / "app.log").write_text("x\n")
    os.link(tmp_path / "app.log", tmp_path / "same.log")
    (tmp_path / "link.log").symlink_to("app.log")
    (tmp_path / "equal.log").write_text("x\n")
    names = ["same.log", "app.log", "equal.log", "link.log", "app.log"]
    files = [Input(str(tmp_path / name), 100) for name in names]
    found = in_order(files, lambda file: 1)
    assert [os.path.basename(each.name) for each in found] == ["same.log", "equal.log"]
