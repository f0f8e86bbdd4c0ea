"""An engine that is reached through TLS, and has users."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme
from engines.server import Server

from store import Event, EventStore, EventStoreException, Query, backend_of
from store.clickhouse.address import PASSWORD_VARIABLE
from tests.clickhouse.gateway import TlsGateway

USER, PASSWORD = "log writer", "p/a:s s?w@r%d"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def port(server: Server, authority: trustme.CA) -> Iterator[int]:
    """The port of a gateway, whose certificate is for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with closing(TlsGateway(server.host, USER, PASSWORD, context)) as gateway:
        yield gateway.port


@pytest.fixture
def ca_path(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def password_path(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.mark.parametrize("has_file", [True, False])
def test_events_go_through_tls_with_a_password(
    port: int,
    ca_path: Path,
    password_path: Path,
    has_file: bool,
    open_at: Callable[..., EventStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given by a file, or by the environment."""
    open_at()  # so that there are tables
    address = f"clickhouse://log%20writer@localhost:{port}/tests?tls=yes&ca={ca_path}"
    if has_file:
        address += f"&password_file={password_path}"
    else:
        monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    backend_of(address).check()
    store = open_at(address)
    store.save(Event("1", "source", 1, ["tag"], "secret"))
    assert [event.content for event in store.select(Query().tagged("tag"))] == ["secret"]


def refusal(address: str) -> str:
    with pytest.raises(EventStoreException) as caught:
        backend_of(address).check()
    return str(caught.value)


def test_an_engine_that_cannot_be_verified_gets_no_password(
    port: int, ca_path: Path, password_path: Path
) -> None:
    """Neither one with a certificate that the system does not trust, nor one that has that of another name."""
    options = f"tls=yes&password_file={password_path}"
    unknown = refusal(f"clickhouse://log%20writer@localhost:{port}/tests?{options}")
    assert "certificate verify failed" in unknown
    other = refusal(f"clickhouse://log%20writer@127.0.0.1:{port}/tests?{options}&ca={ca_path}")
    assert "certificate verify failed" in other
    plain = refusal(f"clickhouse://log%20writer@localhost:{port}/tests?tls=no")
    assert "gave no answer" in plain


def test_a_wrong_password_is_refused_without_being_shown(
    port: int, ca_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says where to put the right one."""
    monkeypatch.setenv(PASSWORD_VARIABLE, "mistyped")
    message = refusal(f"clickhouse://log%20writer@localhost:{port}/tests?tls=yes&ca={ca_path}")
    assert PASSWORD_VARIABLE in message
    assert "mistyped" not in message
