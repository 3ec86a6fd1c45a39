"""A platform's enrolment without wires: codes are made, boxes ask, the desk answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent import cose
from agent.clock import SystemRandom
from agent.enrolment import code as enrol_code
from agent.enrolment.journey import Journey, Pending
from agent.sync.contract.enrol import EnrolAnswer, enrol_request, open_enrol_answer
from agent.sync.contract.topics import enrol_up
from tools.platform import enrolments
from tools.platform.broker import Endpoint
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.enrol_codes import Brokers, Wanted, new_row, text_of
from tools.platform.enrol_desk import EnrolDesk
from tools.platform.store import Store

HOUR_MS = 3_600_000
BROKERS = Brokers(Endpoint("broker.city.example", 8883), Endpoint("broker.city.example", 8884))
NOW_MS = 1_800_000_000_000


@dataclass
class Registry:
    """One platform's desk, with a clock of its own."""

    store: Store
    authority: Authority
    now_ms: int = NOW_MS
    desk: EnrolDesk = field(init=False)

    def __post_init__(self) -> None:
        given_out = BundleStore(self.authority.ca.certificate.parent.parent / "bundles")
        self.desk = EnrolDesk(self.store, self.authority, given_out, lambda: self.now_ms)

    def code(self, terminal: str = "gate-7", **wanted: Any) -> str:
        """The text of a new code."""
        usual = Wanted(terminal, None, None, None, HOUR_MS, confirms=False, replaces=False, closes=False)
        row = new_row(replace(usual, **wanted), BROKERS, self.now_ms)
        with self.store.transaction() as transaction:
            enrolments.add(transaction, row)
        return text_of(row, self.authority, BROKERS.enrol)

    def row(self, enrol_id: str) -> Any:
        with self.store.transaction() as transaction:
            return enrolments.find(transaction, enrol_id)

    def change(self, enrol_id: str, **values: object) -> None:
        with self.store.transaction() as transaction:
            enrolments.change(transaction, enrol_id, **values)

    def alarms(self) -> dict[str, str]:
        """The codes of the platform's alarms, with the terminal that each is about."""
        with self.store.transaction() as transaction:
            return {row.code: row.terminal for row in transaction.alarms()}

    def ask(self, pending: Pending, payload: bytes | None = None) -> EnrolAnswer:
        """What the desk answers a box; its signature is checked as the box does."""
        asked = payload or enrol_request(pending.asked, pending.code.secret)
        reply = self.desk.take(enrol_up(pending.code.id), asked)
        assert reply is not None
        keys = cose.keyring([enrol_code.key_of(pending.code.answers)])
        return open_enrol_answer(reply.payload, keys, pending.code.id)


def box(directory: Path, text: str) -> tuple[Journey, Pending]:
    """A box that has read a code and made its keys."""
    journey = Journey(directory)
    return journey, journey.begin(text, enrol_code.read(text), SystemRandom())
