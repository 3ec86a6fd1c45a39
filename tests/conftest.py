"""What the tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from drivers.virtual.pcscd import VirtualPcscd, environment
from tests.faults.privilege import CHOICE, left_out

# Property tests try the same examples in every run and assert no time; `--hypothesis-profile default` tries new ones.
settings.load_profile("ci")

for _name in ("ONECARD_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
    os.environ.pop(_name, None)  # sentences are looked for in English, whatever language a developer reads


def pytest_report_header() -> list[str]:
    """What this run leaves out by somebody's choice."""
    return [f"{CHOICE} is set: networks, power cuts, full disks and the cluster are NOT tested"] if left_out() else []


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """How a command under test set up logging, for the whole process, ends with its test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session", autouse=True)
def pcscd_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this process's pcscd has, or will have, its socket.

    libpcsclite reads the socket's path once, at the first call of PC/SC, which may come from a test that needs no
    reader, before the first that starts them.
    """
    directory = tmp_path_factory.mktemp("pcscd")
    os.environ.update(environment(directory))
    return directory


@pytest.fixture(scope="session")
def pcscd(pcscd_directory: Path) -> Iterator[VirtualPcscd]:
    """A private pcscd with four virtual readers in two pairs, running; a test that stops it starts it again."""
    with VirtualPcscd(pcscd_directory, readers=4) as service:
        yield service
