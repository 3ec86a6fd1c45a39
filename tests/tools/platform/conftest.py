"""Keys, a store on the disk, and a running platform."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cose import Es256Signer
from tests.tools.platform.chains import Desk
from tools.bench.postgres import new_database, running_postgres
from tools.platform.ca import Authority
from tools.platform.service import Platform
from tools.platform.store import Store, sqlite_url

_DATABASES = itertools.count(1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.init(tmp_path / "keys")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A real server for the whole run; its URL."""
    with running_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """An empty database."""
    return new_database(postgres, f"test{next(_DATABASES)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Every rule holds on both databases."""
    small = request.param == "sqlite"
    opened = Store.open(sqlite_url(tmp_path / "platform.db") if small else request.getfixturevalue("postgres_url"))
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
