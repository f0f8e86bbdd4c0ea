"""Values with their counts."""

from hypothesis import given
from hypothesis import strategies as st

from tests.renderings import check_line, texts
from theiafs.rendering.counts import render_counts


def test_most_frequent_first_and_equals_by_value() -> None:
    assert (
        render_counts({b"b": 2, b"web app": 10, b"a": 2, b"": 1})
        == b"10\tweb app\n2\ta\n2\tb\n1\t\n"
    )
    assert render_counts({}) == b""


@given(st.dictionaries(texts, st.integers(1, 10**12), max_size=5))
def test_any_value_is_one_line_of_two_columns(counts: dict[bytes, int]) -> None:
    lines = render_counts(counts).split(b"\n")[:-1]
    assert len(lines) == len(counts)
    rows = [check_line(line + b"\n").split("\t") for line in lines]
    assert [int(count) for count, _ in rows] == sorted(counts.values(), reverse=True)
