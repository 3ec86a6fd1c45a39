"""What a terminal makes in its directory is known as its own, to whoever removes it and to whoever writes reports."""

from __future__ import annotations

import pytest

from tests.tools.doctor.parts import Ward
from tools.doctor.discretion import Discretion
from tools.own_files import is_own, remove_own

OWN = (
    "service.sock",
    "agent.sock",
    ".link.json",
    "stick.part",
    "damaged-12",
    "rescuing",
    "fire.latch",
    "journal.db-wal",
)
FOREIGN = ("damaged-1-zhang", "damaged-", "enrolled.cbor", "journal.db.old", "Service.sock", "张三.db")


@pytest.mark.parametrize("name", OWN)
def test_a_terminals_own_is_known_to_both(well: Ward, name: str) -> None:
    assert is_own(well.state_dir, name)
    assert Discretion(well.patient()).names(well.state_dir / name)


def test_what_somebody_named_so_that_it_looks_alike_is_told_by_neither_and_removed_by_nobody(well: Ward) -> None:
    discretion = Discretion(well.patient())
    for name in FOREIGN:
        (well.state_dir / name).touch()
        assert not discretion.names(well.state_dir / name)
    assert discretion.names(well.state_dir / "keys" / "enrolled.cbor")
    (well.state_dir / "service.sock").touch()
    assert remove_own(well.state_dir) == sorted((*FOREIGN, "keys"))
