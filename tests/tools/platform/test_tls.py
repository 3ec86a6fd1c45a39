"""The platform's own clients leave nothing behind where a broker dies before it has said who it is."""

from __future__ import annotations

import gc
import socket
import threading
import warnings
from pathlib import Path

import pytest

from tests.tools.platform.mqtt_client import PATIENCE_S
from tools.platform.broker import Endpoint
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.enrol_desk import EnrolDesk
from tools.platform.registrar import CERTIFYING, Registrar
from tools.platform.store import Store, sqlite_url
from tools.platform.tls import context_of


@pytest.fixture
def dying() -> socket.socket:
    """A broker's port; whoever accepts closes at once."""
    return socket.create_server(("127.0.0.1", 0))


def test_a_handshake_that_fails_closes_its_socket(authority: Authority, dying: socket.socket) -> None:
    with dying, socket.create_connection(dying.getsockname()) as bare:
        context = context_of(authority, 0)
        client = context.wrap_socket(bare, server_hostname="localhost", do_handshake_on_connect=False)
        dying.accept()[0].close()
        with pytest.raises(OSError, match=r"."):
            client.do_handshake()
        assert client.fileno() == -1


def test_no_client_forgets_a_socket_of_a_broker_that_was_killed(
    authority: Authority, tmp_path: Path, dying: socket.socket
) -> None:
    store = Store.open(sqlite_url(tmp_path / "platform.db"))
    desk = EnrolDesk(store, authority, BundleStore(tmp_path / "bundles"), lambda: 0)
    accepted = threading.Event()

    def serve() -> None:
        dying.accept()[0].close()
        accepted.set()

    with dying, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        threading.Thread(target=serve).start()
        registrar = Registrar([Endpoint("127.0.0.1", dying.getsockname()[1])], authority, desk, CERTIFYING)
        registrar.start()
        assert accepted.wait(PATIENCE_S)
        registrar.stop()
        del registrar
        gc.collect()
    store.close()
    assert [str(each.message) for each in told if "SSLSocket" in str(each.message)] == []
