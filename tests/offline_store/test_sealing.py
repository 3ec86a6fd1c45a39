"""Secrets: the key is in the journal before the first field that it seals, and no record ever holds the clear text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from offline_store.database import DATABASE_NAME
from offline_store.errors import CannotSeal, RecordInvalid
from offline_store.journal import Append, Journal
from offline_store.record import MAX_SECRET_BYTES, Record, Value, new_id
from offline_store.rescue import heal
from offline_store.sealing import SEALING_KEY
from offline_store.writer import InlineWriter, Writer
from tests.offline_store.parts import START_MS, entry, spoil

SECRET = b"EC1:the whole text of a code"
DAY_MS = 86_400_000


@dataclass
class ShownKey:
    """The store asks for bytes that are new each time; which cipher makes them is the agent's affair."""

    id: bytes
    used: int = 0

    @property
    def public(self) -> Mapping[str, Value]:
        return {"terminal": "gate-001", "for": ()}

    def seal(self, secret: bytes, record_id: bytes) -> bytes:
        self.used += 1
        return self.id + self.used.to_bytes(12, "big") + hashlib.sha256(secret + record_id).digest()


@dataclass
class DailySealer:
    """A key a day, as the agent's."""

    willing: bool = True
    keys: dict[int, ShownKey] = field(default_factory=dict)

    def ready(self) -> bool:
        return self.willing

    def key(self, now_ms: int) -> ShownKey:
        day = now_ms // DAY_MS
        return self.keys.setdefault(day, ShownKey(new_id(START_MS, day.to_bytes(10, "big"))))


def secret_entry(number: int, day: int = 0, secret: bytes = SECRET) -> Append:
    return Append((replace(entry(number), time_ms=START_MS + day * DAY_MS + number, secret=secret),))


def kinds(journal: Journal) -> list[str]:
    return [kind for (kind,) in journal._connection.execute("SELECT kind FROM record ORDER BY place")]


@pytest.fixture
def sealing(journal: Journal) -> Journal:
    journal.seal_with(DailySealer())
    return journal


def test_a_key_is_handed_over_once_and_before_the_first_field_that_it_seals(sealing: Journal) -> None:
    first = sealing.append([secret_entry(1), secret_entry(2)])
    second = sealing.append([secret_entry(3)])
    assert kinds(sealing) == ["genesis", SEALING_KEY, "passage", "passage", "passage"]
    key_id = sealing._connection.execute("SELECT id FROM record WHERE kind = ?", (SEALING_KEY,)).fetchone()[0]
    fields = [appended.records[0].entry.sealed or b"" for appended in (*first, *second)]
    assert [sealed[:16] for sealed in fields] == [key_id] * 3
    assert len({sealed[16:28] for sealed in fields}) == 3
    assert sealing.verify().broken is None


def test_a_new_day_has_a_new_key(sealing: Journal) -> None:
    sealing.append([secret_entry(1), secret_entry(2, day=1)])
    assert kinds(sealing) == ["genesis", SEALING_KEY, "passage", SEALING_KEY, "passage"]


def test_a_start_has_a_new_key_because_the_old_one_is_gone(sealing: Journal) -> None:
    sealing.append([secret_entry(1)])
    sealing.seal_with(DailySealer(keys={START_MS // DAY_MS: ShownKey(new_id(START_MS, bytes(10)))}))
    sealing.append([secret_entry(2)])
    assert kinds(sealing).count(SEALING_KEY) == 2


def test_the_clear_text_never_reaches_the_disk(sealing: Journal, tmp_path: Path) -> None:
    [appended] = sealing.append([secret_entry(1)])
    assert appended.records[0].entry.secret is None
    sealing.close()
    for file in tmp_path.rglob(f"{DATABASE_NAME}*"):
        assert SECRET not in file.read_bytes()


def test_a_key_whose_commit_failed_is_handed_over_again(sealing: Journal) -> None:
    spoiled = replace(entry(7), kind="other")
    sealing.append([Append((entry(7),))])
    with pytest.raises(RecordInvalid):
        sealing.append([secret_entry(1), Append((spoiled,))])
    assert SEALING_KEY not in kinds(sealing)
    sealing.append([secret_entry(2)])
    assert kinds(sealing) == ["genesis", "passage", SEALING_KEY, "passage"]


def test_a_secret_that_was_appended_before_is_found_and_changes_nothing(sealing: Journal) -> None:
    item = secret_entry(1)
    [first] = sealing.append([item])
    sealing.append([replace(item, saves={"lane": b"later"})])
    assert sealing.append([item]) == [first]
    assert sealing.load_saved() == {}
    with pytest.raises(RecordInvalid):
        sealing.append([Append((replace(item.entries[0], reason="refused"),))])
    with pytest.raises(RecordInvalid):
        sealing.append([Append((replace(item.entries[0], secret=None),))])


def test_a_secret_that_was_appended_before_hands_over_no_key_and_needs_none(sealing: Journal) -> None:
    [first] = sealing.append([secret_entry(1)])
    sealing.append([secret_entry(2, day=1)])
    assert sealing.append([secret_entry(1)]) == [first]
    sealing.seal_with(DailySealer(willing=False))
    assert sealing.append([secret_entry(1)]) == [first]
    assert kinds(sealing) == ["genesis", SEALING_KEY, "passage", SEALING_KEY, "passage"]


def test_after_a_rescue_the_key_is_handed_over_again(sealing: Journal) -> None:
    sealing.append([secret_entry(1)])
    place = sealing._connection.execute("SELECT place FROM record WHERE kind = ?", (SEALING_KEY,)).fetchone()[0]
    spoil(sealing.directory, ("UPDATE record SET body = x'00' WHERE place = ?", (place,)))
    heal(sealing)
    [appended] = sealing.append([secret_entry(2)])
    key_id = (appended.records[0].entry.sealed or b"")[:16]
    rows = sealing._connection.execute("SELECT body FROM record WHERE id = ?", (key_id,)).fetchall()
    assert [Record.from_bytes(body).entry.kind for (body,) in rows] == [SEALING_KEY]


@pytest.mark.parametrize("sealer", [None, DailySealer(willing=False)])
def test_what_cannot_be_sealed_is_refused_alone(journal: Journal, sealer: DailySealer | None) -> None:
    if sealer is not None:
        journal.seal_with(sealer)
    writer = InlineWriter(journal)
    with pytest.raises(CannotSeal):
        writer.submit(secret_entry(1))
    assert writer.submit(Append((entry(2),))).result().records[0].seq == 2


def test_the_writers_thread_refuses_it_before_it_could_fail_others(journal: Journal) -> None:
    writer = Writer(journal)
    try:
        with pytest.raises(CannotSeal):
            writer.submit(secret_entry(1))
        writer.seal_with(DailySealer()).result(5)
        assert writer.submit(secret_entry(1)).result(5).records[0].seq == 3
    finally:
        writer.close(5)


def test_no_record_can_be_made_of_a_secret() -> None:
    with pytest.raises(RecordInvalid):
        Record(replace(entry(1), secret=SECRET), 1, bytes(16), bytes(32))
    for secret, sealed in ((b"", None), (bytes(MAX_SECRET_BYTES + 1), None), (b"1", b"2")):
        with pytest.raises(RecordInvalid):
            entry(1, secret=secret, sealed=sealed)
    assert "text" not in repr(replace(entry(1), secret=SECRET))
