"""A terminal that is well, and runs not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.doctor.parts import Ward, ward


@pytest.fixture
def well(tmp_path: Path) -> Iterator[Ward]:
    with ward(tmp_path) as made:
        yield made
