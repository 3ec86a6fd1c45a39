"""The manifest: what a bundle is, for whom, from when until when, and the digests of what it carries.

Deterministic CBOR with integer keys (``bundle.cddl``). ``body`` is what travels (one zstd frame, RFC 8878); ``content``
is what stands on the terminal afterwards, the same for a full bundle and for the delta that leads to it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from agent.credentials.trust import Term
from agent.sync.contract.messages import Hash, TimeMs
from agent.sync.contract.wire import Key, Message

MAX_MANIFEST_BYTES = 1024
MAX_CONTENT_BYTES = 1 << 30
MAX_BODY_BYTES = 1 << 30
MAX_GRACE_MS = 400 * 86_400_000

Version = Annotated[int, Field(ge=1, lt=2**53)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,48}\z")]
AudienceText = Annotated[str, Field(pattern=r"^(all|(site|terminal):[a-z0-9-]{1,32})\z")]


class Kind(StrEnum):
    """What a bundle holds."""

    KEYS = "keys"
    TRUST = "trust"
    STATUS = "status"
    EMERGENCY = "emergency"
    REGISTER = "register"
    ROSTER = "roster"
    HCERT = "hcert"
    PRICES = "price-list"
    TARIFF = "tariff"
    CALENDAR = "calendar"
    CONFIGURATION = "configuration"
    LEASE = "lease"


_FOR_ONE = (Kind.CONFIGURATION, Kind.LEASE)
_NAMES: dict[Kind, re.Pattern[str]] = {
    Kind.KEYS: re.compile(r"keys"),
    Kind.TRUST: re.compile(r"trust"),
    Kind.STATUS: re.compile(r"status-(0|[1-9][0-9]{0,4})"),
    Kind.EMERGENCY: re.compile(r"emergency"),
    Kind.REGISTER: re.compile(r"register-[a-z0-9-]{1,32}"),
    Kind.ROSTER: re.compile(r"roster-[a-z0-9-]{1,32}"),
    Kind.HCERT: re.compile(r"hcert"),
    Kind.PRICES: re.compile(r"price-list-[a-z0-9-]{1,32}"),
    Kind.TARIFF: re.compile(r"tariff-[a-z0-9-]{1,32}"),
    Kind.CALENDAR: re.compile(r"calendar-[a-z0-9-]{1,32}"),
    Kind.CONFIGURATION: re.compile(r"configuration"),
    Kind.LEASE: re.compile(r"lease"),
}


class Manifest(Message):
    """See ``docs/bundles.md``. ``version`` (key 0) is the format's; ``bundle_version`` counts this bundle's issues."""

    MAX_BYTES: ClassVar[int] = MAX_MANIFEST_BYTES
    kind: Annotated[Annotated[Kind, Field(strict=False)], Key(1)]
    name: Annotated[Name, Key(2)]
    bundle_version: Annotated[Version, Key(3)]
    previous_version: Annotated[Version | None, Key(4)] = None
    """Of a delta: the version that it changes."""
    issued_ms: Annotated[TimeMs, Key(5)]
    expires_ms: Annotated[TimeMs, Key(6)]
    grace_ms: Annotated[int, Field(ge=0, le=MAX_GRACE_MS), Key(7)]
    audience: Annotated[AudienceText, Key(8)]
    body_sha256: Annotated[Hash, Key(9)]
    body_bytes: Annotated[int, Field(ge=1, le=MAX_BODY_BYTES), Key(10)]
    content_sha256: Annotated[Hash, Key(11)]
    content_bytes: Annotated[int, Field(ge=1, le=MAX_CONTENT_BYTES), Key(12)]
    chunk_root: Annotated[Hash | None, Key(13)] = None
    """Over the body's chunks (:mod:`agent.bundles.chunk_tree`)."""

    @model_validator(mode="after")
    def _is_sound(self) -> Manifest:
        if _NAMES[self.kind].fullmatch(self.name) is None:
            raise ValueError(f"a {self.kind.value} bundle is not named like this")
        if self.expires_ms < self.issued_ms:
            raise ValueError("expires before it was issued")
        if self.previous_version is not None and self.previous_version >= self.bundle_version:
            raise ValueError("a delta leads to a newer version")
        if self.kind in _FOR_ONE and not self.audience.startswith("terminal:"):
            raise ValueError(f"a {self.kind.value} is for one terminal")
        return self

    @property
    def term(self) -> Term:
        """From when until when the content holds."""
        return Term(self.issued_ms, self.expires_ms, self.grace_ms)

    @property
    def issuer(self) -> int:
        """The issuer whose status list this is; its number stands in the name."""
        return int(self.name.removeprefix("status-"))
