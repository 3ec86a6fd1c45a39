"""What the faults are done to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.platform.service import Platform


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform.start(tmp_path / "platform") as running:
        yield running
