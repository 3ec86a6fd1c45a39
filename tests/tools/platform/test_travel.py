"""What the platform knows of travel: from the journals of all terminals, in whatever order they come."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from agent.cose import Es256Signer
from agent.sync.contract import Declined, QueryTravel, Travelled
from offline_store.record import Entry, Money
from profiles.api import Kind
from tests.tools.platform.tills import ASKED_FOR_MS, DATE, LI, REGISTRATION, WANG, Bank, Till
from tools.platform.ledger import Owner
from tools.platform.register import Known
from tools.platform.register_draft import replace_all
from tools.platform.registrations import Registration
from tools.platform.store import Store
from tools.platform.travel import DAY_MS, KEPT_MS, entry_table, ride_table

MINUTE_MS = 60_000
MEDIUM = b"m" * 16
LINES = Registration(
    merchants=frozenset({"metro-company"}), funds=frozenset({"senior-fund"}), lines=frozenset({"metro"})
)
_NUMBERS = itertools.count(1)


@pytest.fixture
def bank(store: Store, signer: Es256Signer) -> Bank:
    bank = Bank(store, signer)
    bank.pay_in(LI, 10_000)
    return bank


class Gate(Till):
    """A metro's terminal."""

    def greeted(self) -> Gate:
        self.greet()
        return self

    def told(self, reason: str, kind: Kind = Kind.DECISION, owner: Owner | None = LI, **more: Any) -> bytes:
        public = {"line": "metro", "station": "square"} if kind is Kind.DECISION else {}
        entry: dict[str, Any] = {
            "id": self._id(),
            "kind": kind.value,
            "time_ms": self.bank.now_ms,
            "time_quality": "synchronised",
            "monotonic_ms": len(self.records),
            "lane": "gate",
            "profile": "metro",
            "reason": reason,
            "subject": owner,
            "public": public,
        }
        return self.append(Entry(**(entry | more)))

    def ride(self, own_fen: int = 300, fund_fen: int = 100, *, line: str = "metro") -> bytes:
        intent = self._id()
        self.money(Kind.ASKED, intent, own_fen, fund_fen, line)
        self.money(Kind.PAYMENT, intent, own_fen, fund_fen, line)
        return intent

    def money(self, kind: Kind, intent: bytes, own_fen: int, fund_fen: int, line: str) -> None:
        funds = {"account": own_fen, "senior-fund": fund_fen}
        money = Money(own_fen + fund_fen, intent, "metro-company", DATE, funds=funds)
        self.told("paid", kind, public={"line": line}, money=money)

    def ask(self, owner: Owner | None = LI, line: str = "metro") -> Any:  # type: ignore[override]
        nonce = next(_NUMBERS).to_bytes(16, "big")
        life: dict[str, Any] = {
            "nonce": nonce,
            "asked_ms": self.bank.now_ms,
            "expires_ms": self.bank.now_ms + ASKED_FOR_MS,
        }
        return self.put(QueryTravel(**life, line=line, medium=self.medium, subject=owner).encode())

    def trip(self) -> tuple[str | None, int | None]:
        reply = self.ask()
        assert isinstance(reply, Travelled), reply
        return reply.station, reply.entered_ms


@pytest.fixture
def square(bank: Bank) -> Gate:
    return Gate(bank, "square-1", seed=1, registration=LINES).greeted()


@pytest.fixture
def lake(bank: Bank) -> Gate:
    return Gate(bank, "lake-1", seed=2, registration=LINES).greeted()


def test_an_entry_at_one_terminal_is_told_at_another_until_the_ride_is_paid(
    bank: Bank, square: Gate, lake: Gate
) -> None:
    assert lake.trip() == (None, None)
    entered_ms = bank.now_ms
    square.told("entered-station")
    square.send()
    bank.now_ms += 20 * MINUTE_MS
    assert lake.trip() == ("square", entered_ms)
    assert lake.ask(WANG).station is None
    assert lake.ask(line="another").code == "line-not-registered"
    lake.ride()
    lake.send()
    reply = lake.ask()
    assert (reply.station, reply.last_ms, reply.spent_fen, reply.spent_date) == (None, bank.now_ms, 300, DATE)


def test_journals_that_come_late_and_out_of_order_come_to_the_same(bank: Bank, square: Gate, lake: Gate) -> None:
    square.told("entered-station")
    bank.now_ms += 20 * MINUTE_MS
    lake.ride()
    lake.send()
    bank.now_ms += 20 * MINUTE_MS
    second_ms = bank.now_ms
    square.told("entered-station")
    square.send()
    assert lake.trip() == ("square", second_ms)


def test_what_came_to_nothing_is_forgotten(bank: Bank, square: Gate, lake: Gate) -> None:
    entered_ms = bank.now_ms
    square.told("entered-station")
    bank.now_ms += MINUTE_MS
    failed = square.told("entered-station")
    square.told("actuator-failed", Kind.OUTCOME, None, refers_to=failed)
    square.send()
    assert lake.trip() == ("square", entered_ms)
    bank.now_ms += MINUTE_MS
    intent = lake.ride()
    lake.send()
    assert lake.trip() == (None, None)
    lake.money(Kind.REVERSAL, intent, -300, -100, "metro")
    lake.send()
    assert lake.trip() == ("square", entered_ms)
    assert lake.ask().spent_fen == 0
    for without_money in ("left-station-free", "left-station-unpaid"):
        left = lake.told(without_money)
        lake.send()
        assert lake.trip() == (None, None)
        lake.told("actuator-failed", Kind.OUTCOME, None, refers_to=left)
        lake.send()
        assert lake.trip() == ("square", entered_ms)


def test_what_a_rescued_journal_carries_over_counts_once_whichever_way_it_came_first(
    bank: Bank, square: Gate, lake: Gate
) -> None:
    entered_ms = bank.now_ms
    entered = square.told("entered-station")
    square.carry(entered)
    square.drop(entered)
    square.send()
    assert lake.trip() == ("square", entered_ms)
    bank.now_ms += MINUTE_MS
    intent = lake.ride()
    paid = lake.records[-1].entry.id
    lake.send()
    lake.carry(paid)
    lake.send()
    assert (lake.trip(), lake.ask().spent_fen) == ((None, None), 300)
    lake.money(Kind.REVERSAL, intent, -300, -100, "metro")
    reversed_by = lake.records[-1].entry.id
    lake.carry(reversed_by)
    lake.drop(reversed_by)
    lake.send()
    assert (lake.trip(), lake.ask().spent_fen) == (("square", entered_ms), 0)
    assert bank.alarms() == set()


def test_a_ride_that_nobody_paid_fills_no_cap(bank: Bank, lake: Gate) -> None:
    stolen = Gate(bank, "stolen-1", seed=4, registration=None).greeted()
    stolen.ride(5_000)
    stolen.send()
    assert (lake.ask().spent_fen, lake.ask().spent_date) == (0, None), "what is contested was not paid"
    intent = lake.ride(400)
    lake.send()
    assert lake.ask().spent_fen == 400
    money = Money(-500, intent, "metro-company", DATE, funds={"account": -400, "senior-fund": -100})
    lake.told("reversed", Kind.REVERSAL, public={}, money=money)
    lake.send()
    assert lake.ask().spent_fen == 0, "also where the reversal does not say of which line"


def test_the_day_is_summed_over_lines_and_a_trip_ends_on_its_own_line_alone(bank: Bank, square: Gate) -> None:
    square.told("entered-station")
    bank.now_ms += MINUTE_MS
    square.ride(200, line="line-12")
    square.ride(150, 0 + 50, line="line-7")
    square.send()
    reply = square.ask()
    assert (reply.station, reply.spent_fen) == ("square", 350)


def test_travel_is_kept_for_days_and_a_trip_for_one_and_nothing_counts_before_its_time(
    bank: Bank, square: Gate, store: Store
) -> None:
    square.told("entered-station")
    square.ride()
    square.told("entered-station", time_ms=bank.now_ms + 2 * DAY_MS)
    square.send()
    bank.now_ms += DAY_MS + 1
    assert square.trip() == (None, None)
    bank.now_ms += KEPT_MS
    square.told("entered-station")
    square.ride()
    square.send()
    with store.transaction() as transaction:
        counts = [len(transaction.connection.execute(table.select()).all()) for table in (entry_table, ride_table)]
    assert counts == [2, 1], "what is older is gone"


@pytest.mark.parametrize(
    "public", [{"line": 5, "station": "square"}, {"line": "x" * 65, "station": "s"}, {"line": "m"}]
)
def test_words_that_no_column_holds_are_no_travel_and_wedge_no_chain(
    bank: Bank, square: Gate, public: dict[str, Any]
) -> None:
    square.told("entered-station", public=public)
    square.told("entered-station")
    square.send()
    assert square.trip() == ("square", bank.now_ms)
    assert bank.alarms() == set()


def test_a_terminal_that_is_not_registered_for_the_line_is_told_nothing(bank: Bank, square: Gate) -> None:
    square.told("entered-station")
    square.send()
    for registration, code in ((REGISTRATION, "line-not-registered"), (None, "terminal-not-registered")):
        stranger = Gate(bank, f"stranger-{code[:4]}", seed=3, registration=registration)
        reply = stranger.ask()
        assert isinstance(reply, Declined)
        assert reply.code == code


def test_a_medium_that_the_register_knows_as_anothers_is_told_nothing(bank: Bank, square: Gate, store: Store) -> None:
    square.told("entered-station")
    square.send()
    with store.transaction() as transaction:
        replace_all(transaction, "city", [Known(MEDIUM, WANG)], bank.now_ms)
    square.medium = MEDIUM
    reply = square.ask()
    assert isinstance(reply, Declined)
    assert reply.code == "wrong-person"
