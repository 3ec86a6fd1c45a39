"""A permit ends before its term by its id on the emergency list, and while nobody can read that list."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from agent.bundles.manifest import Kind
from agent.clock import SystemRandom
from agent.kernel_time import boot_id
from agent.permits.acts import ServiceAct
from agent.permits.place import SAVED_PLACE, place_saved
from agent.permits.reasons import PermitReason
from agent.permits.text import challenge_of
from agent.trusted_clock import TrustedClock
from offline_store.journal import Append, Journal
from tests.agent.bundles.parts import PLACE, Terminal, pem, some_id
from tests.agent.permits.parts import ISSUER, Technician
from tools.cli.permits import ask_beside

WANG = Technician("t-17")


class Keyboard:
    def __init__(self, capsys: pytest.CaptureFixture[str], sign: Callable[[bytes], str]) -> None:
        self._capsys, self._sign = capsys, sign

    def readline(self, limit: int) -> str:
        return self._sign(challenge_of(self._capsys.readouterr().err.split("--challenge ")[1][:8]))[:limit]


async def test_its_id_on_the_emergency_list_ends_a_permit_and_a_lost_list_ends_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(tmp_path)
    terminal.keys.install("platform-technician.pem", pem(ISSUER))
    await terminal.install(terminal.full(Kind.EMERGENCY))
    terminal.writer.submit(Append(saves={SAVED_PLACE: place_saved(PLACE)})).result()
    terminal.stop()

    def shown(permit_id: bytes) -> PermitReason | None:
        def sign(challenge: bytes) -> str:
            here = PLACE.terminal
            return WANG.signs(
                terminal=here, challenge=challenge, id=permit_id, from_ms=0, until_ms=2**52, terminals=(here,)
            )

        clock = TrustedClock()
        journal = Journal.open(tmp_path, boot_id(), clock=clock, random=SystemRandom())
        monkeypatch.setattr(sys, "stdin", Keyboard(capsys, sign))
        monkeypatch.setenv("ONECARD_LANG", "en")
        try:
            settled = ask_beside(journal, tmp_path, clock, ServiceAct.CLOCK)
        except click.ClickException as error:
            return next(reason for reason in PermitReason if reason.technician.en == error.message)
        finally:
            journal.close()
        return None if settled is None else settled.refusal

    assert shown(some_id(2)) is None
    assert shown(some_id(1)) is PermitReason.REVOKED
    for content in (tmp_path / "bundles").glob("emergency.*"):
        content.unlink()
    assert shown(some_id(2)) is PermitReason.REVOKED
