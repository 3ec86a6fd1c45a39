"""What the bundle tests share: a platform with its keys, contents of every kind, and a terminal on a real store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from random import Random as Seeded

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose, signatures
from agent.bundles import signer_list, table
from agent.bundles.check import Place
from agent.bundles.contents import Lease
from agent.bundles.manifest import Kind
from agent.bundles.people import ID_BYTES, MediumState, register_row, register_shape, roster_rows
from agent.bundles.service import BundlePorts, Bundles, BundleStanding
from agent.bundles.table import Shape
from agent.clock import Moment, RecordIds
from agent.credentials.lists import CurrentLists
from agent.credentials.trust import TrustRow
from agent.keys import FileKeyStore, Role
from offline_store.journal import Journal
from offline_store.writer import InlineWriter
from profiles.api import ClockState
from profiles.person import Person
from profiles.purpose import Purpose
from profiles.school_calendar import SchoolCalendar
from tests.agent.credentials.health_issuer import Signer
from tools import bundles as platform
from tools.bundles import Full, Issue
from tools.prices import PriceFile, TariffFile

NOW_MS = 1_795_406_400_000
DAY_MS = 86_400_000
PLACE = Place("gate-7", "school-3")
ISSUER = 1057
NAMES = {
    Kind.REGISTER: "register-city",
    Kind.ROSTER: "roster-school-3",
    Kind.STATUS: f"status-{ISSUER}",
    Kind.PRICES: "price-list-canteen-1",
    Kind.TARIFF: "tariff-city",
    Kind.CALENDAR: "calendar-school-3",
}
ALWAYS_FULL = (Kind.KEYS, Kind.PRICES, Kind.TARIFF, Kind.CONFIGURATION, Kind.LEASE)
DATA_KINDS = [kind for kind in Kind if kind not in ALWAYS_FULL]


@dataclass
class StillClock:
    """Time that a test moves by hand."""

    at_ms: int = NOW_MS
    quality: ClockState = ClockState.SYNCHRONISED
    floor_ms: int = 0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    def state(self) -> ClockState:
        return self.quality

    def moment(self) -> Moment:
        return Moment(self.at_ms, self.quality, uncertainty_ms=0, floor_ms=self.floor_ms)


@dataclass
class SeededRandom:
    """Randomness that repeats."""

    source: Seeded = field(default_factory=lambda: Seeded(7))

    def token(self, size_bytes: int) -> bytes:
        return self.source.randbytes(size_bytes)


def key_of(name: str) -> ec.EllipticCurvePrivateKey:
    """A key that follows from its name, so that golden vectors stay readable by everybody."""
    return ec.derive_private_key(
        int.from_bytes(hashlib.sha256(f"bundle vector: {name}".encode()).digest()), ec.SECP256R1()
    )


def new_signer() -> cose.Es256Signer:
    return cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def pem(signer: cose.Es256Signer) -> bytes:
    return signer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


ROOT, BUNDLE, SOFTWARE = (cose.Es256Signer(key_of(name)) for name in ("root", "bundle", "software"))
SIGNERS = {Role.ROOT: ROOT, Role.BUNDLE: BUNDLE, Role.SOFTWARE: SOFTWARE}
ISSUER_KEY = signatures.load_private(signatures.Algorithm.ES256, hashlib.sha256(b"issuer").digest())
HEALTH_SIGNERS = tuple(Signer.make(key_of(f"health signer {number}")).der for number in range(4))
ROW = TrustRow(
    issuer=ISSUER,
    kid=1,
    key=ISSUER_KEY.public,
    valid_from_ms=NOW_MS - DAY_MS,
    valid_until_ms=NOW_MS + 365 * DAY_MS,
    namespace="city",
    entitlements=0b111,
    purposes=frozenset({Purpose.ANY, Purpose.PASS}),
    max_ttl_hours=48,
    static_allowed=False,
    reading_key=b"r" * 32,
)
ENTITLEMENTS = {0: "elder", 1: "student", 2: "disabled"}


def issue(kind: Kind, version: int = 1, **changes: object) -> Issue:
    plain = Issue(
        kind=kind,
        name=NAMES.get(kind, kind.value),
        version=version,
        issued_ms=NOW_MS - 1000,
        expires_ms=NOW_MS + 7 * DAY_MS,
        grace_ms=3 * DAY_MS,
        audience=f"terminal:{PLACE.terminal}" if kind in (Kind.CONFIGURATION, Kind.LEASE) else "all",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def signer_for(kind: Kind) -> cose.Es256Signer:
    return ROOT if kind in (Kind.KEYS, Kind.TRUST, Kind.HCERT) else BUNDLE


def tariff(**changes: object) -> dict[str, object]:
    """A tariff as people write it, with one entry of each form; ``changes`` are the promotion's."""
    window = {"from": "2026-11-01 00:00", "until": "2027-01-01 00:00"}
    promotion = window | {"id": "elder", "zh": "敬老优惠", "en": "For the elderly", "for": "elder"} | changes
    steps = window | {"id": "metro", "rows": [[4_000, 200], [12_000, 300], [60_000, 500]]}
    rows = [["east", "north", 3_900], ["east", "west", 15_000]]
    pairs = window | {"id": "metro", "gives": "metres", "both_ways": True, "rows": rows}
    return {"promotions": [promotion], "steps": [steps], "pairs": [pairs]}


def some_id(number: int) -> bytes:
    return Seeded(number).randbytes(ID_BYTES)


@dataclass
class Terminal:
    """A terminal's directory with an enrolled key store, a journal with an inline writer, and its bundles."""

    state_dir: Path
    clock: StillClock = field(default_factory=StillClock)
    place: Place = PLACE
    aged: list[BundleStanding] = field(default_factory=list)
    signed_at: list[int] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    recorded: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = FileKeyStore.create(self.state_dir / "keys")
        self.keys.install("sealing.pem", private_pem(key_of("sealing")))
        for role, signer in SIGNERS.items():
            self.keys.install(f"platform-{role.value}.pem", pem(signer))
        self.start()

    def start(self) -> None:
        """Open the store, as a terminal that was just switched on does."""
        random = SeededRandom()
        self.journal = Journal.open(self.state_dir, b"b" * 16, clock=self.clock, random=random)
        self.writer = InlineWriter(self.journal)
        ports = BundlePorts(
            writer=self.writer,
            keys=self.keys,
            clock=self.clock,
            ids=RecordIds(self.clock, random),
            recover=self.recover,
            aged=self.aged.append,
            signed_at=self.signed_at.append,
            damaged=self.damaged.append,
            recorded=self.recorded.append,
        )
        self.bundles = Bundles(self.state_dir, self.place, ports, CurrentLists())
        self.bundles.load()

    async def recover(self) -> None:
        self.writer.reload(self.clock.now_ms()).result()

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        self.writer.close(0)

    async def install(self, bundle: bytes) -> None:
        path = self.state_dir / "one.bundle"
        path.write_bytes(bundle)
        await self.bundles.install(path)

    def content(self, kind: Kind, version: int = 1) -> bytes:
        """Content of a kind that differs from version to version."""
        match kind:
            case Kind.KEYS:
                return platform.keys_content((role, pem(signer)) for role, signer in SIGNERS.items())
            case Kind.TRUST:
                rows = [ROW, replace(ROW, kid=1 + version)]
                return platform.trust_content(rows, ENTITLEMENTS, [self.keys.sealing_public()])
            case Kind.STATUS:
                return platform.status_content(4096, [3, 100 + version])
            case Kind.EMERGENCY:
                return table.encode(Shape(ID_BYTES, ID_BYTES), [some_id(1), some_id(10 + version)])
            case Kind.REGISTER:
                rows_of_media = [
                    register_row(some_id(1), some_id(2), 0b10),
                    register_row(some_id(3), some_id(2), 0, MediumState.REPLACED),
                    register_row(some_id(10 + version), some_id(4)),
                ]
                return table.encode(register_shape("city"), rows_of_media)
            case Kind.ROSTER:
                person = Person("3-2", frozenset({"library"}), "student", "b", "meal-1", {"patron": b"sealed"})
                size_bytes, rows_of_people = roster_rows([(some_id(2), person), (some_id(10 + version), person)])
                return table.encode(Shape(ID_BYTES, size_bytes, "city"), rows_of_people)

            case Kind.CALENDAR:
                term = (date(2026, 9, 1), date(2027, 1, 22))
                return platform.calendar_content(SchoolCalendar((term,), frozenset({date(2026, 10, version)})))

            case Kind.HCERT:
                return signer_list.content(HEALTH_SIGNERS[version - 1 : version + 1])
            case Kind.PRICES:
                items = [
                    {"code": "1", "zh": "红烧肉", "en": "Braised pork", "price_fen": 1_200 + version},
                    {"code": "20", "zh": "自选菜", "en": "Buffet", "price_fen": 3_600, "per": "kg"},
                ]
                return PriceFile.model_validate({"items": items}).content()
            case Kind.LEASE:
                return Lease().encode()
            case Kind.CONFIGURATION:
                return f"terminal: {{id: {self.place.terminal}}}  # {version}\n".encode()
            case Kind.TARIFF:
                return TariffFile.model_validate(tariff(percent=10 + version)).content()

    def full(self, kind: Kind, version: int = 1, **changes: object) -> bytes:
        """The file of a full bundle."""
        return platform.full_bundle(issue(kind, version, **changes), self.content(kind, version), signer_for(kind))

    def delta(self, kind: Kind, old: int, new: int) -> bytes:
        """The file of the delta between two versions."""
        fulls = [self.parsed(self.full(kind, version)) for version in (old, new)]
        return platform.delta_bundle(fulls[0], fulls[1], signer_for(kind))

    def parsed(self, bundle: bytes) -> Full:
        path = self.state_dir / "made.bundle"
        path.write_bytes(bundle)
        return platform.read_full(path)

    def standing(self) -> dict[str, int]:
        return {standing.name: standing.version for standing in self.bundles.standings()}
