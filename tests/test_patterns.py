"""Patterns of messages."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.renderings import HOSTILE, LONG, check_line, texts
from theiafs.rendering import patterns as patterns_module
from theiafs.rendering.masking import COARSEST, STRING, coarsen, collapse, mask
from theiafs.rendering.patterns import LINE_SIZE_MAX, Patterns
from theiafs.rendering.times import time_text

WHEN = 17_954_289_000_000_000
WORDS = [
    b"user",
    b"bob",
    b"eve",
    b"7",
    b"1.5",
    b"10.0.0.1",
    b"x=1",
    b"a1b2c3",
    b"10:15:00",
    b"(",
    b"'q r'",
    b'"k":',
    b'"v"',
]

messages = st.one_of(st.lists(st.sampled_from(WORDS), max_size=5).map(b" ".join), texts)


def add(patterns: Patterns, events: list[tuple[bytes, int]]) -> None:
    """Add contents with their times."""
    data = b"".join([content for content, _ in events])
    ends = np.cumsum([len(content) for content, _ in events], dtype=np.int64)
    sizes = np.array([len(content) for content, _ in events], np.int64)
    patterns.add(data, ends - sizes, ends, np.array([ticks for _, ticks in events], np.int64))


def rows_of(*contents: bytes) -> list[tuple[int, str]]:
    """The counts and templates of contents."""
    patterns = Patterns()
    add(patterns, [(content, WHEN) for content in contents])
    rows = [line.split("\t") for line in patterns.render().decode().splitlines()]
    return [(int(count), template) for count, _, _, template in rows]


def masked(line: bytes) -> bytes:
    """A line masked, with its quoted strings."""
    rest, strings = mask([collapse(line)])[0]
    for string in strings:
        rest = rest.replace(STRING, string, 1)
    return rest


@pytest.mark.parametrize(
    ("line", "template"),
    [
        (b"took 17 ms, 3.25%, -4", b"took <num> ms, <num>%, <num>"),
        (b"blk_-38865049064139660 of 1,024 bytes", b"blk_<num> of <num> bytes"),
        (b"sshd[19939]: port 22", b"sshd[<num>]: port <num>"),
        (b"from 10.251.73.220:50010 to /10.0.0.1", b"from <ip>:<num> to /<ip>"),
        (b"from fe80::1%eth0 and 2001:db8::8a2e:370:7334", b"from <ip>%eth<num> and <ip>"),
        (b"card 00:1a:2b:3c:4d:5e", b"card <ip>"),
        (b"std::vector and a::b", b"std::vector and a::b"),
        (b"id 550e8400-e29b-41d4-a716-446655440000 done", b"id <id> done"),
        (b"commit 9fceb02d0ae598e95dc970b74767f19372d61af8", b"commit <id>"),
        (b"session 0x14f05578bd80006, key kX9jd03Zq1", b"session <id>, key <id>"),
        (b"2026-11-23T10:15:00.123456Z up", b"<time> up"),
        (b"2026-11-23 10:15:00,123 +0100 up", b"<time> up"),
        (b"Nov 23 10:15:00 host cron", b"<time> host cron"),
        (b"[Sun Dec 04 04:47:44 2005] [error]", b"[<time>] [error]"),
        (b"[22/Nov/2025:10:00:00 +0000]", b"[<time>]"),
        (b"Wed, 09 Jun 2021 10:00:00 GMT;", b"<time>;"),
        (b"17/06/09 20:10:40 INFO", b"<time> INFO"),
        (b"at 10:15:00 sharp", b"at <time> sharp"),
        (b"ns1-220-135-151-1.example.net", b"ns<num>-<num>-<num>-<num>-<num>.example.net"),
        (
            b"said \"hello \\\" 1\" to 'a 2', can't",
            b"said \"hello \\\" <num>\" to 'a <num>', can't",
        ),
        (
            b'{"level":"info","msg":"user 7 in","user":"bob","n": 3}',
            b'{"level":"info","msg":"user <num> in","user":"bob","n": <num>}',
        ),
        (b"delete blk_1 blk_2 blk_3 blk_4 blk_5 now", b"delete blk_<num> ... now"),
        (b"a \t  b  ", b"a b"),
        (b"", b""),
    ],
)
def test_masks(line: bytes, template: bytes) -> None:
    assert masked(line) == template


@given(st.lists(messages.map(lambda text: text.replace(b"\n", b"")), min_size=1, max_size=6))
def test_a_line_is_masked_as_if_it_were_alone(lines: list[bytes]) -> None:
    assert collapse(b"\n".join(lines)).split(b"\n") == [collapse(line) for line in lines]
    assert mask(list(map(collapse, lines))) == [mask([collapse(line)])[0] for line in lines]


@given(
    st.lists(st.tuples(messages, st.integers(0, WHEN)), max_size=40),
    st.data(),
    st.sampled_from([1, 2, 5, 1000]),
)
def test_neither_order_nor_pieces_matter(
    events: list[tuple[bytes, int]], data: st.DataObject, lines_max: int
) -> None:
    """Whether all lines are kept apart or had to be made coarser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns_module, "LINES_MAX", lines_max)
        at_once, in_pieces = Patterns(), Patterns()
        add(at_once, events)
        shuffled = data.draw(st.permutations(events))
        while shuffled:
            size = data.draw(st.integers(1, len(shuffled)))
            add(in_pieces, shuffled[:size])
            shuffled = shuffled[size:]
    rendered = at_once.render()
    assert in_pieces.render() == rendered
    rows = [check_line(line + b"\n").split("\t") for line in rendered.split(b"\n")[:-1]]
    assert sum(int(count) for count, _, _, _ in rows) == len(events)
    assert len({template for _, _, _, template in rows}) == len(rows)
    times = [time_text(ticks).decode() for _, ticks in events]
    assert min((first for _, first, _, _ in rows), default="") == min(times, default="")
    assert max((last for _, _, last, _ in rows), default="") == max(times, default="")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many different lines there are."""
    monkeypatch.setattr(patterns_module, "LINES_MAX", 10)
    patterns = Patterns()
    letters = [bytes([97 + number // 26, 97 + number % 26]) for number in range(400)]
    for number in range(0, 400, 8):
        add(
            patterns,
            [(b"%b went %b/x wrong" % (word, word), WHEN) for word in letters[number : number + 8]],
        )
        assert len(patterns._found) <= 10
        assert len(patterns._masked) <= 20
    assert patterns.render().split(b"\t")[::3] == [b"400", b"<*>\n"]


@given(messages.map(lambda text: mask([collapse(text.split(b"\n")[0])])[0].line))
@example(b"a b c d e f g h i j <num> ...")
def test_the_coarsest_level_makes_all_lines_equal(line: bytes) -> None:
    for level in range(1, COARSEST + 1):
        coarse = coarsen(line, level)
        assert coarsen(coarse, level) == coarse
        line = coarse
    assert line == b"<*>"


def test_most_frequent_first_ties_sorted_with_the_first_and_last_time() -> None:
    patterns = Patterns()
    add(
        patterns,
        [(b"b 1", WHEN + 20), (b"a", WHEN), (b"b 2", WHEN + 10), (b"c", WHEN), (b"b 3", WHEN + 30)],
    )
    assert patterns.render() == (
        b"3\t2026-11-23T10:15:00.000001Z\t2026-11-23T10:15:00.000003Z\tb <num>\n"
        b"1\t2026-11-23T10:15:00.000000Z\t2026-11-23T10:15:00.000000Z\ta\n"
        b"1\t2026-11-23T10:15:00.000000Z\t2026-11-23T10:15:00.000000Z\tc\n"
    )


def test_only_the_first_line_counts_and_not_all_of_a_long_one() -> None:
    """So an exception is one pattern, whatever its trace."""
    assert rows_of(b"Error\n  at a", b"Error\n  at b", b"Error") == [(3, "Error")]
    assert rows_of(LONG, LONG + b"x", b"y" * LINE_SIZE_MAX, b"y" * 2 * LINE_SIZE_MAX) == [
        (2, "<num>"),
        (2, "y" * LINE_SIZE_MAX),
    ]


def test_values_of_which_there_are_many() -> None:
    users = [b"ann", b"bob", b"cid", b"dan", b"eve", b"fay"]
    hosts = [b"ns", b"mx", b"www", b"db", b"ftp", b"git"]
    failed = [
        b"Failed password for %b from 10.0.0.1 (%b) ok" % pair
        for pair in zip(users, hosts, strict=True)
    ]
    accepted = [b"Accepted password for %b from 10.0.0.1 (%b) ok" % (user, b"ns") for user in users]
    few = [b"session opened for user=root", b"session opened for user=adm"]
    assert rows_of(*failed, *accepted, *few) == [
        (6, "Accepted password for <*> from <ip> (ns) ok"),
        (6, "Failed password for <*> from <ip> (<*>) ok"),
        (1, "session opened for user=adm"),
        (1, "session opened for user=root"),
    ]
    grid = [b"user=%b at %b, ok" % (user, host) for user in users for host in hosts]
    assert rows_of(*grid) == [(36, "user=<*> at <*>, ok")]


def test_values_far_to_the_right_are_one() -> None:
    words = b"a " * 60
    assert rows_of(*[b"%bv%b x" % (words, b"w" * number) for number in range(1, 7)]) == [
        (6, "a " * 40 + "<*>")
    ]


IDS = [b"a1b2c3", b"1234567", b"12e", b"b4", b"deadbeef", b"99", b"7af01c", b"9fceb02d"]
"""Hexadecimal ids of all the forms that they take by chance."""


@given(st.permutations(IDS), st.integers(1, len(IDS)))
def test_an_id_is_one_whatever_its_letters(ids: list[bytes], number: int) -> None:
    ids = [b"7af01c", *ids[:number]]
    lines = [b"request [%b] failed, cart=%b" % (each, each) for each in ids]
    assert rows_of(*lines) == [(len(ids), "request [<id>] failed, cart=<id>")]


def test_masks_of_several_kinds_are_one() -> None:
    """Whether they were found alone or because there are many values."""
    peers = [b"10.0.0.1", b"12", b"10:15:00"]
    assert rows_of(*[b"peer %b is lost" % peer for peer in peers]) == [(3, "peer <*> is lost")]
    names = [b"ann", b"bob", b"cid", b"dan", b"eve"]
    users = [b"user %b logged in again" % name for name in (*names, b"17", b"a1b2c3")]
    assert rows_of(*users) == [(7, "user <*> logged in again")]
    assert rows_of(b"took 5", b"took 5 ms", b"took 5ms", b"took 5s") == [
        (1, "took <num>"),
        (1, "took <num> ms"),
        (1, "took <num>ms"),
        (1, "took <num>s"),
    ]


@pytest.mark.parametrize(
    ("lines", "template"),
    [
        ([b'x reason="got 500" n=1', b'x reason="got 404" n=2'], 'x reason="got <num>" n=<num>'),
        ([b'x reason="got 500"', b'x reason="lost"'], "x reason=<str>"),
        ([b"no user 'bob' in 'eu 1'", b"no user 'eve' in 'eu 2'"], "no user <str> in 'eu <num>'"),
        ([b'{"a":"b c","d":"e"}', b'{"a":"b c","d":"f"}'], '{"a":"b c","d":<str>}'),
        ([b'said <str> "a"', b'said <str> "b"'], "said <str> <str>"),
        # A list is as long as it may be, so that none of its strings is at a place of its own.
        ([b'"a" "a" "a" "a"'], "<str> ..."),
    ],
)
def test_quoted_strings_are_kept_unless_they_vary(lines: list[bytes], template: str) -> None:
    assert rows_of(*lines) == [(len(lines), template)]


def test_strings_that_are_the_same_for_all_values_are_kept() -> None:
    """Also if the lines are merged for another reason; and not if their number varies."""
    users = [b"ann", b"bob", b"cid", b"dan", b"eve"]
    asked = [b"%b asked for it" % name for name in users]
    lines = [b'user %b is "gone" from here' % name for name in users]
    assert rows_of(*lines) == [(5, 'user <*> is "gone" from here')]
    lines = [b'a %b is "here" now' % name for name in (*users, b'x"y"z')]
    assert rows_of(*lines, *asked)[0] == (6, "a <*> is <str> now")


def test_messages_in_quotes_are_kept_apart() -> None:
    lines = [b'level=info msg="item %d added" n=1', b'level=info msg="item %d taken" n=1']
    assert rows_of(*[line % number for line in lines for number in range(9)]) == [
        (9, 'level=info msg="item <num> added" n=<num>'),
        (9, 'level=info msg="item <num> taken" n=<num>'),
    ]


def test_messages_that_share_little_are_kept_apart() -> None:
    verbs = [
        b"opened door",
        b"closed window",
        b"lost track",
        b"found key",
        b"broke glass",
        b"took leave",
    ]
    assert rows_of(*[b"he " + verb for verb in verbs]) == [
        (1, f"he {verb.decode()}") for verb in sorted(verbs)
    ]


@pytest.mark.parametrize("content", HOSTILE)
def test_hostile_contents(content: bytes) -> None:
    """One line each, of four columns."""
    patterns = Patterns()
    add(patterns, [(b"a" + content, WHEN)])
    assert len(check_line(patterns.render()).split("\t")) == 4


def test_no_events() -> None:
    patterns = Patterns()
    add(patterns, [])
    assert patterns.render() == b""


def test_lines_known_are_not_masked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = Patterns()
    add(patterns, [(b"took %d ms" % number, WHEN) for number in range(100)])
    monkeypatch.setattr(patterns_module, "mask", None)
    add(patterns, [(b"took %d ms" % number, WHEN) for number in range(1000)])
    assert patterns.render().startswith(b"1100\t")
