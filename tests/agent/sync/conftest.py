"""A broker with TLS for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.sync.broker import Authority, Mosquitto


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    directory = tmp_path / "tls"
    directory.mkdir()
    authority = Authority(directory)
    authority.issue("server")
    authority.issue("platform")
    return authority


@pytest.fixture
def broker(authority: Authority) -> Iterator[Mosquitto]:
    broker = Mosquitto(authority.directory)
    broker.start()
    yield broker
    broker.stop()
