"""Who lives in a day: cards, phones, an issuer of codes, the lists that name them, and the platform with its ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.bundles.people import MediumState, RosterTable
from agent.bundles.priced import prices_in_force, tariff_in_force
from agent.bundles.table import Table
from agent.clock import Clock
from agent.credentials.lists import Lists
from agent.credentials.medium import medium_of
from agent.credentials.register import Holder as Held
from agent.credentials.register import SiteRegister
from agent.credentials.status import StatusList
from agent.credentials.trust import Term, TrustList
from agent.signatures import Algorithm
from drivers.api import CardReading, Interface
from profiles.api import Subject
from profiles.purpose import Purpose
from profiles.rules.funds import ACCOUNT
from profiles.rules.term import CalendarDates
from profiles.subsidies import SubsidyPaid
from tools.bundles import roster_content
from tools.city import ENTITLEMENTS, STATUS_ENTRIES, Issuer, Phone
from tools.days.day import Holder
from tools.platform import foreign_codes, subsidies
from tools.platform.accounts import CREDIT, account_of, grant_credit
from tools.platform.evidence import Judge
from tools.platform.ingest import Ingest
from tools.platform.intents import Intent, intents
from tools.platform.ledger import Owner, accounts, enter
from tools.platform.register import Known
from tools.platform.register_draft import replace_all
from tools.platform.registrations import Registration, allow
from tools.platform.store import Store, sqlite_url
from tools.prices import PriceFile, TariffFile

NAMESPACE = "city"
ACCOUNT_END = "4321"
LIVES_MS = 30 * 86_400_000
_ISSUER_BYTES = b"\x31\x01"


def mac(data: bytes) -> bytes:
    """The medium key of a day's terminal; nothing in a day is secret."""
    return hashlib.sha256(b"day" + data).digest()


class Town:
    """The people of a day as cards, codes and rows of lists. ``start_ms`` is before anybody shows anything."""

    def __init__(
        self,
        people: Mapping[str, Holder],
        start_ms: int,
        calendars: Mapping[str, CalendarDates] = MappingProxyType({}),
        price_lists: Mapping[str, PriceFile] = MappingProxyType({}),
        tariffs: Mapping[str, TariffFile] = MappingProxyType({}),
    ) -> None:
        self._people = people
        self._calendars = {name: calendar.known() for name, calendar in calendars.items()}
        self._issuer = Issuer.found(1, Algorithm.ES256, start_ms)
        issued_s = start_ms // 1000 - 3_600
        self._phones = {
            name: Phone(self._issuer, self._issuer.grant(index, self._bits(person), issued_s))
            for index, (name, person) in enumerate(people.items())
        }
        self._price_lists = {name: prices_in_force(file.content(), name, 1) for name, file in price_lists.items()}
        self._tariffs = {name: tariff_in_force(file.content(), name, 1) for name, file in tariffs.items()}
        self.lists = self._lists(start_ms)

    def subject(self, name: str) -> Subject:
        """Who somebody is, by card and by code."""
        return Subject(NAMESPACE, mac(f"subject {name}".encode())[:16])

    def card(self, name: str) -> CardReading:
        """What a reader hands over when the card is shown."""
        person = self._people[name]
        return CardReading(
            reader="day",
            at_ns=0,
            application=person.application,
            interface=Interface.CONTACT,
            issuer=_ISSUER_BYTES,
            identifier=mac(f"card {name}".encode())[:16],
            authenticated=person.authenticated,
            valid_until=None if person.valid_until is None else f"{person.valid_until:%Y%m%d}",
        )

    def code(self, name: str, shown: datetime, purpose: Purpose) -> str:
        """The code that somebody's phone shows at a moment."""
        return self._phones[name].code(int(shown.timestamp()), purpose)

    def printed(self, name: str) -> str:
        """A static code on paper."""
        return self._issuer.printed(self._phones[name].grant)

    def media(self) -> Iterator[Known]:
        """Whose each card and phone is, as the platform's register has it."""
        for name, person in self._people.items():
            owner = (self.subject(name).namespace, self.subject(name).id)
            yield Known(self._phones[name].grant.token, owner)
            if person.card != "unknown":
                state = MediumState.LOST if person.card == "lost" else MediumState.IN_USE
                yield Known(medium_of(self.card(name), mac), owner, state=state)

    @property
    def trust(self) -> TrustList:
        """The issuers, as the platform knows them for judging evidence."""
        trust = self.lists.trust
        if trust is None:
            raise LookupError("a town has a trust list")
        return trust

    def _bits(self, person: Holder) -> frozenset[str]:
        """What a code can say; any other entitlement is the register's to say."""
        return person.entitlements & set(ENTITLEMENTS)

    def _lists(self, now_ms: int) -> Lists:
        rows = {(self._issuer.row.issuer, self._issuer.row.kid): self._issuer.row}
        trust = TrustList(1, now_ms, now_ms + LIVES_MS, 0, MappingProxyType(rows), dict(enumerate(ENTITLEMENTS)))
        revoked = bytearray(STATUS_ENTRIES // 8)
        for index, person in enumerate(self._people.values()):
            revoked[index >> 3] |= person.revoked << (index & 7)
        term = Term(now_ms, now_ms + LIVES_MS, 0)
        status = StatusList(bytes(revoked), STATUS_ENTRIES, term)
        people = [
            (self.subject(name).id, who.roster.known()) for name, who in self._people.items() if who.roster is not None
        ]
        holders: dict[bytes, Held] = {}
        for name, person in self._people.items():
            held = Held(self.subject(name), person.entitlements)
            holders[self._phones[name].grant.token] = held
            if person.card != "unknown":
                lost = person.card == "lost"
                holders[medium_of(self.card(name), mac)] = Held(held.subject, held.entitlements, lost)
        return Lists(
            trust=trust,
            status=MappingProxyType({self._issuer.row.issuer: status}),
            register=SiteRegister(holders.items()),
            rosters=MappingProxyType({"roster-day": RosterTable(Table.open(roster_content(NAMESPACE, people)))}),
            calendars=MappingProxyType(self._calendars),
            price_lists={name: (term, prices) for name, prices in self._price_lists.items()},
            tariffs={name: (term, tariff) for name, tariff in self._tariffs.items()},
        )


class Bank:
    """The reference platform, in this process and this time: ingest, evidence, ledger."""

    def __init__(self, directory: Path, town: Town, clock: Clock, terminal_key: cose.VerifyKey) -> None:
        self._clock = clock
        self.store = Store.open(sqlite_url(directory / "platform.db"))
        signer = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
        sealing = ec.generate_private_key(ec.SECP256R1())
        self.answers = _ring(signer.key.public_key())
        self.sealing = _ring(sealing.public_key())
        judge = Judge(sealing, lambda: town.trust)
        self.ingest = Ingest(self.store, signer, clock.now_ms, lambda _: {terminal_key.kid: terminal_key}, judge)
        with self.store.transaction() as transaction:
            replace_all(transaction, NAMESPACE, town.media(), clock.now_ms())

    def register(self, terminal: str, registration: Registration) -> None:
        """Say what a terminal may ask for."""
        with self.store.transaction() as transaction:
            allow(transaction, terminal, registration)

    def pay_in(self, subject: Subject, amount_fen: int, kind: str = ACCOUNT) -> None:
        """Open somebody's account of a kind."""
        with self.store.transaction() as transaction:
            enter(transaction, account_of((subject.namespace, subject.id), kind), amount_fen, self._clock.now_ms())

    def know(self, text: str, subject: Subject) -> None:
        """Say whose a code of another system is, as its issuer would."""
        with self.store.transaction() as transaction:
            foreign_codes.add(transaction, text, (subject.namespace, subject.id), self._clock.now_ms() + LIVES_MS)

    def lend(self, subject: Subject, ceiling_fen: int) -> None:
        """Let somebody owe so much."""
        person = (subject.namespace, subject.id)
        with self.store.transaction() as transaction:
            grant_credit(transaction, person, ceiling_fen)
            enter(transaction, account_of(person, CREDIT), 0, self._clock.now_ms())

    def subsidise(self, subject: Subject, name: str, person: Holder) -> None:
        """Open somebody's account for subsidies, with what was paid into it."""
        owner = (subject.namespace, subject.id)
        with self.store.transaction() as transaction:
            subsidies.set_holder(transaction, owner, name, ACCOUNT_END, person.pin)
            for paid in person.subsidies or ():
                subsidies.add(transaction, owner, SubsidyPaid(paid.name, f"{paid.date:%Y%m%d}", paid.amount))

    def balances(self) -> dict[Owner, int]:
        """Every account."""
        with self.store.transaction() as transaction:
            return {(row.namespace, row.subject): int(row.balance_fen) for row in accounts(transaction)}

    def intents(self) -> list[Intent]:
        """Every payment that it heard of."""
        with self.store.transaction() as transaction:
            return list(intents(transaction, self._clock.now_ms()))

    def alarms(self) -> set[str]:
        """What it raised itself."""
        with self.store.transaction() as transaction:
            return {str(row.code) for row in transaction.alarms()}

    def close(self) -> None:
        """End the database."""
        self.store.close()


def _ring(key: ec.EllipticCurvePublicKey) -> Mapping[bytes, cose.VerifyKey]:
    known = cose.VerifyKey.of(key)
    return MappingProxyType({known.kid: known})
