"""``theiafs prune``: old events go, by age, by size, by tag, and nothing else does."""

import time
from pathlib import Path

import pytest

from store import Event, HasTag, NaiveEventStore, Not, Query
from tests.faults import Fate, FaultyDisk
from tests.minutes import FilesOnDisk
from tests.survivors import NEVER_MS, check_minute_files
from theiafs import cli
from theiafs.doors import Doors
from theiafs.errors import NotPermitted
from theiafs.tree import Tree

DAY_S = 86_400
NOW_S = int(time.time())
DAYS = (50, 40, 30, 20, 10, 0)
EVENTS = 4


def event(day: int, number: int) -> Event:
    """Return the event of that *number* of a minute some days ago; every other one is a debug event."""
    tags = ["debug" if number % 2 else "web"]
    return Event(f"{day}-{number}", "s", NOW_S - day * DAY_S + 60 - number, tags, "x" * 100)


def fill(root: Path) -> None:
    store = NaiveEventStore(str(root), NEVER_MS)
    # Of a minute each: the last one is saved first.
    store.save_all(event(day, number) for day in DAYS for number in reversed(range(EVENTS)))
    store.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a store with one minute for each of the days."""
    fill(tmp_path / "store")
    return tmp_path / "store"


def left(root: Path, tag: str | None = None) -> dict[int, int]:
    """Return the number of events of each day that are left in a store, with *tag* if it is given."""
    store = NaiveEventStore(str(root), NEVER_MS)
    query = Query() if tag is None else Query().tagged(tag)
    found: dict[int, int] = {}
    for each in store.select(query):
        day = int(str(each.id).partition("-")[0])
        found[day] = found.get(day, 0) + 1
    store.close()
    return found


def prune(*arguments: object) -> int:
    return cli.main(["prune", *map(str, arguments)])


def all_of(*days: int) -> dict[int, int]:
    return dict.fromkeys(days, EVENTS)


class TestWholeMinutes:
    """Without a tag."""

    def test_by_age(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert prune(root, "--older", "25d") == 0
        assert left(root) == all_of(20, 10, 0)
        assert capsys.readouterr().out == "removed: 12 events of 3 minutes, 2,124 bytes\n"

    def test_by_size(self, root: Path) -> None:
        """The oldest ones go, until the rest is no larger; the newest stays in any case."""
        size = sum(path.stat().st_size for path in root.glob("*-*"))
        assert prune(root, "--larger", size) == 0
        assert left(root) == all_of(*DAYS)
        assert prune(root, "--larger", size - 1) == 0
        assert left(root) == all_of(*DAYS[1:])
        assert prune(root, "--larger", 1) == 0
        assert left(root) == all_of(0)

    def test_by_both(self, root: Path) -> None:
        """All that is old goes whatever the size, and of the rest what is too much."""
        size = max(path.stat().st_size for path in root.glob("*-*"))
        assert prune(root, "--older", "15d", "--larger", f"{size // 1024 + 1}K") == 0
        assert left(root) == all_of(0)

    def test_a_dry_run(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It prints what would go, and touches nothing."""
        before = {path: path.stat().st_mtime_ns for path in root.glob("*")}
        assert prune(root, "--older", "35d", "--dry-run") == 0
        names = sorted(path.name for path in root.glob("*-*"))[:2]
        lines = [f"{name}\t4\t{(root / name).stat().st_size}\n" for name in names]
        assert capsys.readouterr().out == (
            "".join(lines) + "would be removed: 8 events of 2 minutes, 1,416 bytes\n"
        )
        after = {path: path.stat().st_mtime_ns for path in root.glob("*")}
        assert after | {root / ".theiafs": 0} == before | {root / ".theiafs": 0}
        assert prune(root, "--older", "35d", "--dry-run", "--tag", "debug") == 0
        assert "4 events of 2 minutes" in capsys.readouterr().out

    def test_a_store_in_use(self, root: Path) -> None:
        """The process that has it open notices; events that it has not flushed stay, and so do all others."""
        store = NaiveEventStore(str(root), NEVER_MS)
        late = Event("50-late", "s", event(50, 0).timestamp, ["web"], "late")
        store.save(late)
        assert prune(root, "--older", "25d") == 0
        store._tick()
        found = {str(each.id) for each in store.search(0)}
        expected = {str(event(day, number).id) for day in (20, 10, 0) for number in range(EVENTS)}
        assert found == expected | {"50-late"}
        store.close()
        assert left(root) == {50: 1} | all_of(20, 10, 0)

    def test_what_only_the_log_of_a_killed_process_has(self, root: Path) -> None:
        """It goes with its minute, and does not come back."""
        [name] = [path.name for path in root.glob("*-*") if path == min(root.glob("*-*"))]
        record = (root / name).read_bytes()[: (root / name).stat().st_size // EVENTS]
        with FilesOnDisk(str(root)) as files:
            files.write(files.open(name), record.replace(b"id:50-", b"id:51-"))
            files.log.sync()
        assert prune(root, "--older", "25d") == 0
        assert left(root) == all_of(20, 10, 0)

    def test_all_that_is_no_minute_stays(self, root: Path) -> None:
        (root / "notes").write_text("mine")
        (root / ".theiafs" / "declared" / "tag").mkdir(parents=True)
        assert prune(root, "--older", "1h") == 0
        assert left(root) == all_of(0)
        assert (root / "notes").read_text() == "mine"
        assert (root / ".theiafs" / "declared" / "tag").is_dir()


class TestByTag:
    """Only the events with a tag."""

    def test_by_age(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert prune(root, "--older", "25d", "--tag", "debug") == 0
        assert left(root, "web") == dict.fromkeys(DAYS, EVENTS // 2)
        assert left(root, "debug") == dict.fromkeys((20, 10, 0), EVENTS // 2)
        assert "removed: 6 events of 3 minutes" in capsys.readouterr().out

    def test_by_size(self, root: Path) -> None:
        """The size is that of the events with the tag."""
        store = NaiveEventStore(str(root), NEVER_MS)
        size = store.whole(Query().tagged("debug")).size
        store.close()
        assert prune(root, "--larger", size - 1, "--tag", "debug") == 0
        assert left(root, "web") == dict.fromkeys(DAYS, EVENTS // 2)
        assert left(root, "debug") == dict.fromkeys(DAYS[1:], EVENTS // 2)

    def test_a_minute_of_nothing_else(self, root: Path) -> None:
        """Its file goes."""
        for tag in ("debug", "web"):
            assert prune(root, "--older", "45d", "--tag", tag) == 0
        assert len(list(root.glob("*-*"))) == len(DAYS) - 1
        assert left(root) == all_of(*DAYS[1:])

    def test_a_store_in_use(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It is refused, and nothing changes."""
        store = NaiveEventStore(str(root), NEVER_MS)
        assert prune(root, "--older", "25d", "--tag", "debug") == 1
        assert capsys.readouterr().err == (
            f"theiafs: {root} is in use by another process: end that, to remove by tag\n"
        )
        store.close()
        assert left(root) == all_of(*DAYS)

    def test_many_events_in_pieces(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """However the file is divided while it is rewritten, those that stay are byte for byte what they were."""
        events = [
            Event(str(number), "s", number / 20, [str(number * number % 7)], "x" * (number % 50))
            for number in range(1000)
        ]
        for size in (1, 500, 1 << 20):
            monkeypatch.setattr("store.engine.deleter._PIECE_SIZE", size)
            store = NaiveEventStore(str(tmp_path / str(size)), NEVER_MS)
            store.save_all(events)
            whole = store.answer(Query().where(Not(HasTag(frozenset("12"))))).read(0, 1 << 20)
            assert store.remove_events(Query().tagged("1", "2"), "0-60") == 571
            assert store.answer(Query()).read(0, 1 << 20) == whole
            store.close()
            assert (tmp_path / str(size) / "0-60").read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["{root}"], 2, "theiafs: nothing to remove from {root}: give --older, --larger, or both"),
        (["{root}", "--older", "30"], 2, "'30' is no age, such as 30d"),
        (["{root}", "--larger", "10X"], 2, "'10X' is no size, such as 10G"),
        (
            ["{root}", "--larger", "0"],
            2,
            "'0' would leave nothing, and the newest minute always stays: give 1, to keep only that",
        ),
        (
            ["{root}", "--older", "0s"],
            2,
            "'0s' would be the age of everything: give 1s, to remove all minutes that have ended",
        ),
        (
            ["{root}-missing", "--older", "1d"],
            1,
            "theiafs: there is no store {root}-missing: give the directory of its minute files, or mount it without -o ro to make it",
        ),
    ],
)
def test_refusals(
    root: Path,
    arguments: list[str],
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They are one line, and nothing changes."""
    words = [each.format(root=root) for each in arguments]
    if status == 2 and len(words) > 1:
        with pytest.raises(SystemExit) as ended:
            prune(*words)
        assert ended.value.code == status
    else:
        assert prune(*words) == status
    assert capsys.readouterr().err.rstrip("\n").endswith(message.format(root=root))
    assert left(root) == all_of(*DAYS)


def test_a_directory_that_is_no_store_stays_as_it_is(tmp_path: Path) -> None:
    """Nothing is made in it."""
    (tmp_path / "file").write_text("x")
    assert prune(tmp_path, "--older", "1d") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_removal_in_the_tree(root: Path) -> None:
    """Events of a tag and a time go, where removal is allowed, and no others."""
    store = NaiveEventStore(str(root), NEVER_MS)
    start = min(int(path.name.partition("-")[0]) for path in root.glob("*-*"))
    path = f"/by-tag/debug/range/@{start}..@{start + 60}/events"
    with pytest.raises(NotPermitted, match="-o delete"):
        Tree(store, Doors(1 << 20)).remove(path)
    tree = Tree(store, Doors(1 << 20), can_remove=True)
    for other in (
        "/events",
        "/by-tag/debug/events",
        "/range/1970/events",
        "/by-tag/debug/not/range/1970/events",
        "/by-tag/debug/match/x/range/1970/events",
        "/by-tag/debug/not/by-tag/web/range/1970/events",
    ):
        with pytest.raises(NotPermitted, match="by-tag/<tag>/range/<range>/events"):
            tree.remove(other)
    assert store.whole(Query()).events == len(DAYS) * EVENTS
    tree.remove(path)
    tree.remove(path)  # nothing is left
    assert store.whole(Query().tagged("debug")).events == (len(DAYS) - 1) * EVENTS // 2
    assert store.whole(Query().tagged("web")).events == len(DAYS) * EVENTS // 2
    store.close()


@pytest.mark.parametrize("fate", ["kept", "torn"])
def test_any_instant(fate: str) -> None:
    """A kill or a power cut while events are removed costs no others; once they are, they do not come back."""
    disk = FaultyDisk()
    store = NaiveEventStore("/s", NEVER_MS, disk)
    tags = ["a", "b"]
    store.save_all(Event(f"{number}", "s", number, [tags[number % 2]], "x") for number in range(6))
    store._flush_all()
    store.save_all(Event(f"{number}", "s", number, [tags[number % 2]], "x") for number in (6, 7, 8))
    store.sync()
    others, removed = {"0", "2", "4", "6", "8"}, {"1", "3", "5", "7"}
    cuts: dict[bytes, FaultyDisk] = {}

    def look(_phase: str, cut: FaultyDisk) -> None:
        survived = cut.after_a_power_cut(Fate(fate, 1))
        cuts.setdefault(survived.fingerprint(), survived)

    def check(*allowed: set[str]) -> None:
        assert len(cuts) > 1
        for survived in cuts.values():
            check_minute_files(survived, "/s")
            again = NaiveEventStore("/s", NEVER_MS, survived)
            found = [str(each.id) for each in again.search(0)]
            assert len(found) == len(set(found))
            assert set(found) in allowed
            again.close()
        cuts.clear()

    disk.on_cut = look
    assert store.remove_events(Query().tagged("b"), "0-60") == 4
    check(others, others | removed)
    store.save(Event("10", "s", 100, ["a"], "x"))
    store.sync()
    disk.on_cut = None
    check(others, others | {"10"})
    store.close()


@pytest.mark.parametrize("tag", ["", "a,b"])
def test_a_tag_that_no_event_has_is_refused(
    tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of a variable that is not set: it does not mean the events without tags."""
    assert cli.main(["prune", str(tmp_path), "--older", "1d", "--tag", tag]) == 2
    assert "--tag" in capsys.readouterr().err
