"""What the tests of codes share: the rows and the lane of the golden vectors, and a verifier that stands on them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.clock import Moment
from agent.credentials.codes import CodeVerifier
from agent.credentials.lists import Lists
from agent.credentials.register import Holder, SiteRegister
from agent.credentials.status import StatusList
from agent.credentials.trust import Term, TrustList, TrustRow
from agent.facts import Marks
from agent.signatures import Algorithm, load_public
from profiles.api import ClockState, Credential, Mark, Presented, Rejected
from profiles.purpose import Purpose
from profiles.rules.codes import CodePolicy
from tests.vectors.ec1 import regenerate
from tests.vectors.ec1.regenerate import NOW_S

VECTORS = Path(regenerate.__file__).parent
NOW_MS = NOW_S * 1000
DAY_MS = 86_400_000


def vector(name: str) -> Any:
    """One golden file."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


SUITES = sorted(path.stem for path in VECTORS.glob("*-*.json"))
DYNAMIC = [name for name in SUITES if not name.endswith("static")]


def _row(row: dict[str, Any]) -> TrustRow:
    return TrustRow(
        issuer=row["issuer"],
        kid=row["kid"],
        key=load_public(Algorithm[row["algorithm"]], bytes.fromhex(row["key"])),
        valid_from_ms=row["valid_from_s"] * 1000,
        valid_until_ms=row["valid_until_s"] * 1000,
        namespace=row["namespace"],
        entitlements=row["entitlements"],
        purposes=frozenset(map(Purpose, row["purposes"])),
        max_ttl_hours=row["max_ttl_h"],
        static_allowed=row["static_allowed"],
        reading_key=bytes.fromhex(row["reading_key"]),
    )


def lists() -> Lists:
    """``trust.json`` as a snapshot."""
    known = vector("trust")
    rows = {(row["issuer"], row["kid"]): _row(row) for row in known["rows"]}
    trust = TrustList(1, NOW_MS, NOW_MS + DAY_MS, DAY_MS, rows, {0: "elder", 1: "student", 2: "staff"})
    bits = bytearray(-(-known["status_size"] // 8))
    for index in known["revoked"]:
        bits[index >> 3] |= 1 << (index & 7)
    status = StatusList(bytes(bits), known["status_size"], Term(NOW_MS, NOW_MS + DAY_MS, DAY_MS))
    return Lists(trust, {issuer: status for issuer, _ in rows})


@dataclass
class Terminal:
    """A verifier with its clock, its lists and its marks, as a lane uses it."""

    lists: Lists = field(default_factory=lists)
    policy: CodePolicy = field(default_factory=lambda: CodePolicy(static=True))
    moment: Moment = field(default_factory=lambda: Moment(NOW_MS, ClockState.SYNCHRONISED, 0))
    marks: Marks = field(default_factory=Marks)
    holders: dict[bytes, Holder] = field(default_factory=dict)
    site: str = ""

    def judge(self, text: str) -> Presented | Rejected:
        """The verdict, nothing recorded."""
        lists = replace(self.lists, register=SiteRegister(self.holders.items()))
        return CodeVerifier(self.site).verdict(text, self.policy, self.moment, self.marks, lists)

    def reason(self, text: str) -> str:
        """The reason of a refusal; empty if the code was accepted."""
        verdict = self.judge(text)
        return verdict.reason.code if isinstance(verdict, Rejected) else ""

    def accept(self, text: str) -> Credential:
        """The credential, and its marks recorded as a grant records them."""
        verdict = self.judge(text)
        assert isinstance(verdict, Presented), verdict
        self.record(verdict.credential.marks)
        return verdict.credential

    def record(self, marks: tuple[Mark, ...]) -> None:
        """What a record does."""
        self.marks.put(marks, self.moment.now_ms)

    def at(self, now_ms: int, state: ClockState = ClockState.SYNCHRONISED, uncertainty_ms: int = 0) -> Terminal:
        """The same terminal at another moment."""
        return replace(self, moment=Moment(now_ms, state, uncertainty_ms))
