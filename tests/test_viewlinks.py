"""The targets of views stay inside of the mount."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theiafs.errors import InvalidName, NameTooLong, NotPermitted
from theiafs.viewlinks import is_view, normal_target, view_name


@pytest.mark.parametrize(
    ("target", "normal"),
    [
        ("../by-tag/web", "../by-tag/web"), ("../by-tag/web/", "../by-tag/web"), (".././by-tag//web", "../by-tag/web"),
        ("../by-tag/../by-source/x", "../by-source/x"), ("..", ".."), ("../", ".."), (".", "."), ("web", "web"),
        ("../views/web", "web"), ("web/count", "web/count"), ("../by-tag/..%2F..", "../by-tag/..%2F.."), ("../..x", "../..x"),
    ],
)  # fmt: skip
def test_a_target_is_normal(target: str, normal: str) -> None:
    """Without what has no effect."""
    assert normal_target(target) == normal
    assert normal_target(normal) == normal


@pytest.mark.parametrize(
    "target", ["/", "/etc/passwd", "//x", "../..", "../../x", "web/../../..", "../by-tag/../../x/views"]
)  # fmt: skip
def test_a_target_outside_is_refused(target: str) -> None:
    """Also one that comes back; the message says how to write it."""
    with pytest.raises(InvalidName, match=r"like \.\./by-tag/web"):
        normal_target(target)


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b..", "..c"]), min_size=1).map("/".join))
def test_no_target_climbs_above_the_mountpoint(target: str) -> None:
    """At most its first name leads upwards, so that no chain of links does either."""
    try:
        normal = normal_target(target)
    except InvalidName:
        return
    names = normal.split("/")
    assert ".." not in names[1:]
    mountpoint = "/mnt"
    assert posixpath.normpath(f"{mountpoint}/views/{normal}").startswith(mountpoint)
    assert posixpath.normpath(f"/views/{normal}") == posixpath.normpath(f"/views/{target}")


def test_where_views_are() -> None:
    """Directly in their directory, called as any file."""
    assert view_name("/views/a b") == "a b"
    assert view_name("/views/" + "é" * 127) == "é" * 127
    for path in ("/web", "/views", "/by-tag/web", "/views/web/x", "/"):
        assert not is_view(path)
        with pytest.raises(NotPermitted):
            view_name(path)
    with pytest.raises(NameTooLong):
        view_name("/views/" + "é" * 128)
