"""A broker with TLS, or a platform in memory and a terminal with a real journal, for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.sync.broker import Authority, Mosquitto
from tests.agent.sync.parts import MemoryPlatform, Terminal


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


@pytest.fixture
def platform() -> MemoryPlatform:
    return MemoryPlatform()


@pytest.fixture
def terminal(tmp_path: Path, platform: MemoryPlatform) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path / "store", platform.verify_key)
    yield terminal
    terminal.close()
