"""The operator sees whose disk is full, and how many openings wait there as a count."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from agent.cose import Es256Signer
from agent.sync.contract import Buffer, Channel, Presence, Report, State
from tests.tools.platform.chains import Desk
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.service import Layout
from tools.platform.store import Store, state_table
from tools.platform.waiting import waiting_openings


def state(unrecorded: int | None) -> bytes:
    buffer = Buffer(unacknowledged=1, size_bytes=4_096, unrecorded=unrecorded)
    return State(presence=Presence.ONLINE, since_ms=1, report=Report(software="t/1", buffer=buffer)).encode()


def test_the_status_says_how_many_openings_wait_and_no_more_when_they_are_recorded(tmp_path: Path) -> None:
    Authority.init(Layout(tmp_path).keys)
    store = Store.open(Layout(tmp_path).database_url)
    desk = Desk(store, Es256Signer(Authority.at(Layout(tmp_path).keys).load_ack_key()))

    def said(*arguments: str, lang: str = "en") -> str:
        command = ["status", "--dir", str(tmp_path), *arguments]
        return CliRunner(env={"ONECARD_LANG": lang}).invoke(platform, command).output

    desk.hand(Channel.STATE, state(12))
    assert "gate-1: the disk is full, 12 openings are not recorded one by one" in said()
    assert "有 12 次开门没有逐条记录" in said(lang="zh")
    assert json.loads(said("--json"))["unrecorded"] == {"gate-1": 12}
    desk.hand(Channel.STATE, state(None))
    assert "openings" not in said()
    with store.transaction() as transaction:
        transaction.connection.execute(state_table.update().values(body=b"of a later version"))
        assert waiting_openings(transaction) == {}
    store.close()
