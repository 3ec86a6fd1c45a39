"""Keys, a store on the disk, and a running platform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cose import Es256Signer
from tests.tools.platform.chains import Desk
from tools.platform.ca import Authority
from tools.platform.service import Platform
from tools.platform.store import Store, sqlite_url


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.init(tmp_path / "keys")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(sqlite_url(tmp_path / "platform.db"))
    yield opened
    opened.close()


@pytest.fixture
def signer(authority: Authority) -> Es256Signer:
    return Es256Signer(authority.load_ack_key())


@pytest.fixture
def desk(store: Store, signer: Es256Signer) -> Desk:
    return Desk(store, signer)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform.start(tmp_path / "platform") as running:
        yield running
