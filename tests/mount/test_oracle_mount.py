"""The oracle's cases once more, through the kernel."""

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from store import Event
from tests.mount.conftest import Mount
from tests.oracle import Model, Step, events, expect, queries, record


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(events, min_size=5, max_size=30),
    st.lists(queries, min_size=5, max_size=10),
    st.booleans(),
)
def test_the_mount_shows_what_the_oracle_says(
    make_mount: Callable[..., Mount],
    stored: list[Event],
    asked: list[list[Step]],
    is_remounted: bool,
) -> None:
    """Listings, sizes and bytes, for events appended as records, and directories nested at random."""
    mount = make_mount(name=os.urandom(8).hex())
    model = Model()
    (mount.path / "ingest").write_bytes(b"".join(map(record, stored)))
    for event in stored:
        model.save(event)
    if is_remounted:
        mount.remount()
        model.reopen()
    for query in asked:
        expected = expect(model, query)
        directory = mount.path / "".join(step.text for step in query).strip("/")
        if expected is None:
            with pytest.raises(FileNotFoundError):
                os.listdir(directory)
            continue
        listed = [name for name in os.listdir(directory) if not name.startswith(".")]
        assert sorted(listed) == sorted(expected.minutes)
        for name, data in [
            *expected.minutes.items(),
            *expected.lines.items(),
            ("events", expected.events),
            ("count", b"%d\n" % len(expected.found)),
        ]:
            assert (directory / name).read_bytes() == data
            assert (directory / name).stat().st_size == len(data)
    mount.umount()
