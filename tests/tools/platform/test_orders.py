"""Commands at the platform: numbered, signed, sent until they are answered, and what the journal says of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import sqlalchemy as sa

from agent.command_reasons import COMMAND
from agent.cose import Es256Signer, VerifyKey, keyring
from agent.keys import Role
from agent.sync.contract.commands import Result, open_command
from offline_store.record import Entry, Record, new_id
from tools.bundles import signer_of
from tools.platform import orders
from tools.platform.ca import Authority
from tools.platform.dispatcher import AGAIN_CAP_S, Dispatcher
from tools.platform.store import Store

TERMINAL, NOW_MS = "gate-1", 1_795_406_400_000


@pytest.fixture
def signer(authority: Authority) -> Es256Signer:
    return signer_of(authority.role_keys[Role.COMMAND][0])


@pytest.fixture
def known(store: Store) -> Store:
    """A platform that a terminal has said hello to."""
    with store.transaction() as transaction:
        transaction.seen(TERMINAL, NOW_MS)
        transaction.greeted(TERMINAL, b"c" * 16, b"n" * 16, 1, 1)
    return store


def given(store: Store, signer: Es256Signer, act: str = "report", now_ms: int = NOW_MS) -> bytes:
    with store.transaction() as transaction:
        return orders.issue(transaction, signer, TERMINAL, act, None, now_ms)


def test_a_command_is_signed_for_its_terminal_and_chain_and_numbered(known: Store, signer: Es256Signer) -> None:
    first, second = given(known, signer), given(known, signer, "open")
    keys = keyring([VerifyKey.of(signer.key.public_key())])
    with known.transaction() as transaction:
        commands = [open_command(row.payload, keys, TERMINAL)[0] for row in orders.due(transaction, NOW_MS)]
    assert [(each.id, each.number, each.chain_id) for each in commands] == [
        (first, NOW_MS, b"c" * 16),
        (second, NOW_MS + 1, b"c" * 16),
    ]
    assert [each.expires_ms - each.issued_ms for each in commands] == [orders.DEFAULT_LIFE_MS, 60_000]


def test_what_is_answered_or_has_ended_is_sent_no_more_and_the_rest_again_ever_more_seldom(
    known: Store, signer: Es256Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_s = 0.0
    monkeypatch.setattr("tools.platform.dispatcher.time.monotonic", lambda: at_s)
    given(known, signer)
    dispatcher, sent = Dispatcher(known, lambda: NOW_MS), []
    for second in range(3_000):
        at_s = float(second)
        if len(list(dispatcher.due())) == 1:
            sent.append(second)
    assert sent[:4] == [0, 5, 15, 35]
    assert {later - earlier for earlier, later in pairwise(sent[7:])} == {AGAIN_CAP_S}
    dispatcher.begin_anew()
    assert len(list(dispatcher.due())) == 1
    assert list(Dispatcher(known, lambda: NOW_MS + orders.DEFAULT_LIFE_MS).due()) == []


def test_the_journals_word_stands_against_the_links(known: Store, signer: Es256Signer) -> None:
    issued = given(known, signer)
    with known.transaction() as transaction:
        assert orders.told(transaction, TERMINAL, Result(id=issued, reason="command-done", at_ms=5))
        assert not orders.told(transaction, TERMINAL, Result(id=b"?" * 16, reason="command-done", at_ms=5))
        assert not orders.told(transaction, "gate-2", Result(id=issued, reason="command-done", at_ms=5))
        assert orders.all_of(transaction)[0].seq is None
        orders.recorded(transaction, TERMINAL, [record("command-accepted", issued), record("command-expired", issued)])
        orders.told(transaction, TERMINAL, Result(id=issued, reason="command-done", at_ms=9))
        row = orders.all_of(transaction, TERMINAL)[0]
    assert (row.reason, row.seq) == ("command-expired", 7)


def test_what_one_terminal_may_have_waiting_and_what_is_kept_of_it_is_bounded(
    known: Store, signer: Es256Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "MAX_OPEN", 3)
    monkeypatch.setattr(orders, "MAX_KEPT", 4)
    for _ in range(3):
        given(known, signer)
    with pytest.raises(orders.TooMany):
        given(known, signer)
    later_ms = NOW_MS + orders.DEFAULT_LIFE_MS
    for _ in range(3):
        given(known, signer, now_ms=later_ms)
    with known.transaction() as transaction:
        assert [row.number for row in orders.all_of(transaction)] == [later_ms + 2, later_ms + 1, later_ms, NOW_MS + 2]


def test_numbers_go_on_above_what_a_forgotten_platform_gave_and_never_back_with_its_clock(
    known: Store, signer: Es256Signer
) -> None:
    def numbers() -> list[int]:
        with known.transaction() as transaction:
            return [row.number for row in orders.all_of(transaction)]

    for at_ms in (NOW_MS, NOW_MS):
        given(known, signer, now_ms=at_ms)
    latest = max(numbers())
    with known.transaction() as transaction:  # as a backup of before them has it
        transaction.connection.execute(sa.delete(orders.command_table))
    given(known, signer, now_ms=NOW_MS + 1_000)
    assert min(numbers()) > latest
    given(known, signer, now_ms=5)
    assert max(numbers()) == NOW_MS + 1_001


def test_what_is_kept_is_told_by_how_many_they_are(
    known: Store, signer: Es256Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "MAX_KEPT", 3)
    times = [NOW_MS + hour * 3_600_000 for hour in (0, 1, 2, 3, 30)]
    for at_ms in times:
        given(known, signer, now_ms=at_ms)
    with known.transaction() as transaction:
        assert [row.number for row in orders.all_of(transaction)] == times[:1:-1]


def record(reason: str, command_id: bytes) -> Record:
    entry = Entry(
        id=new_id(NOW_MS, b"r" * 10),
        kind=COMMAND,
        time_ms=NOW_MS,
        time_quality="synchronised",
        monotonic_ms=1,
        reason=reason,
        public={"command": command_id.hex()},
    )
    return Record(entry, 7, bytes(16), bytes(32))
