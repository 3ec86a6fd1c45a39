"""The EU DCC's content (eHealth Network, "EU DCC JSON schema" 1.3.0): one statement about one person.

Read is what the rules need and nothing more: no name, no birthday, no product. Extra keys are other people's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from profiles.rules.health import Finding, Kind

_Code = Annotated[str, Field(max_length=80)]
_Date = Annotated[str, Field(max_length=40)]
_Doses = Annotated[int, Field(ge=1, le=100)]


class StatementInvalid(ValueError):
    """The content is not in the form of the EU DCC; the text quotes none of it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one certificate states, and the identifier that it states it under."""

    finding: Finding
    country: str
    """Who stands behind it: ``co``, ISO 3166-1."""
    identifier: str = field(repr=False)
    """``ci``, the unique certificate identifier (UVCI)."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    tg: _Code
    co: Annotated[str, Field(min_length=1, max_length=10)]
    ci: Annotated[str, Field(min_length=1, max_length=120)]


class _Vaccination(_Entry):
    dn: _Doses
    sd: _Doses
    dt: _Date

    def finding(self) -> Finding:
        return Finding(Kind.VACCINATION, self.tg, _midnight_ms(self.dt), complete=self.dn >= self.sd)


class _Test(_Entry):
    tt: Literal["LP6464-4", "LP217198-3"]  # LOINC: nucleic acid amplification, rapid immunoassay
    sc: _Date
    tr: Literal["260415000", "260373001"]  # SNOMED CT: not detected, detected

    def finding(self) -> Finding:
        kind = Kind.MOLECULAR_TEST if self.tt == "LP6464-4" else Kind.ANTIGEN_TEST
        return Finding(kind, self.tg, _moment_ms(self.sc), detected=self.tr == "260373001")


class _Recovery(_Entry):
    fr: _Date

    def finding(self) -> Finding:
        return Finding(Kind.RECOVERY, self.tg, _midnight_ms(self.fr))


_GROUPS: tuple[tuple[str, type[_Vaccination | _Test | _Recovery]], ...] = (
    ("v", _Vaccination),
    ("t", _Test),
    ("r", _Recovery),
)


def read_statement(content: object) -> Statement:
    """The one statement of a DCC, decoded from CBOR. Raises :class:`StatementInvalid`."""
    if not isinstance(content, Mapping):
        raise StatementInvalid("a DCC is a map")
    entries = [(model, entry) for name, model in _GROUPS for entry in _entries(content.get(name))]
    if len(entries) != 1:
        raise StatementInvalid("a DCC states exactly one vaccination, test or recovery")
    ((model, entry),) = entries
    try:
        stated = model.model_validate(entry)
        finding = stated.finding()
    except ValueError:  # pydantic's included; both quote what they were given
        raise StatementInvalid("the statement is not in the form of the schema") from None
    return Statement(finding, stated.co, stated.ci)


def _entries(group: object) -> list[object]:
    if group is None:
        return []
    if not isinstance(group, list):
        raise StatementInvalid("a group of statements is an array")
    return group


def _midnight_ms(text: str) -> int:
    """The start of a day, UTC; some issuers write a time behind it."""
    return _ms(datetime.combine(date.fromisoformat(text[:10]), datetime.min.time(), UTC))


def _moment_ms(text: str) -> int:
    """ISO 8601 with its offset; without one, UTC."""
    moment = datetime.fromisoformat(text)
    return _ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
