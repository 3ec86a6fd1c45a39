"""A school before the reference platform: pupils, guardians, and terminals whose gates they pass."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.sync.contract import Address, Channel
from offline_store.genesis import Genesis
from offline_store.record import CARRIED, NO_HASH, Entry, Record, new_id
from profiles.pupil import Consent, Leave, Pupil
from tests.agent.seeded import SeededRandom
from tests.tools.platform.chains import BOOT, batch, hello
from tools.platform.ingest import Ingest
from tools.platform.notices import CHINA
from tools.platform.pupils import Enrolled

ZHANG, LI, ZHAO = ("city", b"z" * 16), ("city", b"l" * 16), ("city", b"b" * 16)
MOTHER, FATHER = ("city", b"m" * 16), ("city", b"f" * 16)


def at_ms(text: str) -> int:
    """Of a local time in China, `2026-11-27 08:10`."""
    return round(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


def pupils(*leaves: Leave) -> list[Enrolled]:
    """Two of class 3-2, and a boarder of 9-1 with these permits."""
    day = Pupil(Consent.GIVEN)
    return [
        Enrolled(ZHANG, "class-3-2", day, (MOTHER, FATHER)),
        Enrolled(LI, "class-3-2", day),
        Enrolled(ZHAO, "class-9-1", Pupil(Consent.NOT_NEEDED, boards=True, leaves=leaves), (MOTHER,)),
    ]


class Gate:
    """A terminal at one of the school's gates; it sends what it recorded when it is told to."""

    def __init__(self, ingest: Ingest, terminal: str) -> None:
        self._ingest = ingest
        self.terminal = terminal
        self._chain = terminal.encode().ljust(16, b".")
        self._random = SeededRandom(sum(terminal.encode()))
        genesis = self._entry(at_ms("2026-11-27 06:00"), "genesis", public=Genesis(self._chain).to_public())
        self.records = [Record(genesis, 1, BOOT, NO_HASH)]

    def note(self, who: tuple[str, bytes], reason: str, local: str, **public: Any) -> Record:
        """A pupil passed."""
        said = {"class": "class-3-2", "lessons": True} | public
        refers = self._random.token(16)
        entry = self._entry(at_ms(local), "notice", reason=reason, subject=who, refers_to=refers, public=said)
        self.records.append(Record(entry, len(self.records) + 1, BOOT, self.records[-1].hash))
        return self.records[-1]

    def carry(self, record: Record) -> None:
        """Of a journal that was rescued."""
        entry = self._entry(
            record.entry.time_ms, CARRIED, refers_to=record.entry.id, public={"record": record.to_bytes()}
        )
        self.records.append(Record(entry, len(self.records) + 1, BOOT, self.records[-1].hash))

    def send(self, times: int = 1) -> None:
        """All of it, as often as the wire likes."""
        address, count = Address(self.terminal), len(self.records)
        for _ in range(times):
            self._ingest.handle(address.topic(Channel.HELLO), hello(self.records, chain_id=self._chain))
            self._ingest.handle(address.topic(Channel.JOURNAL), batch(self.records, 1, count, self._chain))

    def _entry(self, time_ms: int, kind: str, **said: Any) -> Entry:
        if kind == "notice":
            said |= {"lane": "main", "profile": "turnstile"}
        return Entry(
            id=new_id(time_ms, self._random.token(10)),
            kind=kind,
            time_ms=time_ms,
            time_quality="synchronised",
            monotonic_ms=0,
            **said,
        )
