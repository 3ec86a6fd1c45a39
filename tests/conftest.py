"""What the tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from drivers.virtual.pcscd import VirtualPcscd
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


@pytest.fixture(scope="session")
def pcscd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualPcscd]:
    """A private pcscd with four virtual readers in two pairs, running; a test that stops it starts it again.

    libpcsclite reads the socket's path once per process, so there is one directory for the whole session.
    """
    with VirtualPcscd(tmp_path_factory.mktemp("pcscd"), readers=4) as service:
        os.environ.update(service.environment)
        yield service
