"""Why a record says what it says: the rules that were asked, and the versions of all that they went by.

The rule trace stands in the record itself (:mod:`profiles.trace`); what was in force stands in the ``context`` records
before it. Each start, and each day, writes a whole one; each installed bundle a part.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum

from agent.config import profile_type
from agent.entries import RULES
from agent.records import CONTEXT
from offline_store.lookup import TAIL_BYTES, Found, Lookup
from offline_store.record import ID_BYTES
from profiles.api import Kind
from profiles.reasons import Sentence
from profiles.trace import RuleEnum, Said, read_trace

MAX_BEFORE = 4
"""An outcome names a decision, a payment what was asked: no record stands further from its beginning."""
_MAX_SEQ_DIGITS = 7
_S = Sentence


class Silence(Enum):
    """Why a record has no rules to tell of."""

    NO_CREDENTIAL = _S(
        "读到的内容不是有效凭证，通道的规则没有被询问；原因如上",
        "what was read was no valid credential, so the lane's rules were not asked; the reason above is all of it",
    )
    NO_DECISION = _S(
        "这条记录不是决定，没有规则",
        "this record is no decision: no rules belong to it",
    )
    FOLLOWS = _S(
        "这条记录说明后来发生了什么；规则见它所指的决定",
        "this record says what happened then; the rules are those of the decision that it names",
    )


class Refusal(Enum):
    """Why nothing can be explained."""

    NO_ID = _S(
        "编号应为 32 位十六进制数字（journal show 中的 id）、日志中 tap 的 8 位，或 journal list 中的序号",
        "give 32 hex digits (as journal show prints an id), 8 (a tap in the logs), or a number of journal list",
    )
    UNKNOWN = _S("本机日志中没有这条记录", "this terminal's journal holds no such record")
    PRUNED = _S(
        "这条记录早于本机现存的第一条：平台已确认，且已过保留期，因此已从磁盘清除；请在平台上查询",
        "the record is older than all that this terminal still holds: it left the disk when the platform had it and its"
        " retention was over; ask the platform",
    )
    SEVERAL = _S(
        "不止一条记录的编号以此结尾，请写出全部 32 位",
        "more than one record's id ends so; give all 32 digits",
    )


class CannotExplain(Exception):
    """Nothing to explain; says why."""

    def __init__(self, refusal: Refusal, about: str) -> None:
        super().__init__(refusal.value.en)
        self.sentence = _S(f"{about}：{refusal.value.zh}", f"{about}: {refusal.value.en}")
        self.refusal = refusal


@dataclass(frozen=True)
class InForce:
    """What the rules went by. ``whole`` is false where the last whole ``context`` before it has left the disk."""

    software: str | None = None
    configuration: str | None = None
    """Hexadecimal, 8 bytes of SHA-256."""
    bundles: Mapping[str, int] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True)
class Explanation:
    """One record: what it says, which rules were asked, and why there are none, where there are none."""

    found: Found
    rules: tuple[Said, ...]
    silence: Silence | None
    in_force: InForce
    refers_to: bytes | None
    """Of a record before it that is no longer on the disk."""
    before: Explanation | None = None


def explain(lookup: Lookup, wanted: str) -> Explanation:
    """Explain the record that somebody names. Raises :class:`CannotExplain` and ``StoreError``."""
    return _explained(lookup, _found(lookup, wanted), MAX_BEFORE)


def _found(lookup: Lookup, wanted: str) -> Found:
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= _MAX_SEQ_DIGITS:
        found = lookup.by_seq(int(wanted))
        first = lookup.first()
        if found is None:
            raise CannotExplain(Refusal.PRUNED if first and 0 < int(wanted) < first.seq else Refusal.UNKNOWN, wanted)
        return found
    try:
        given = bytes.fromhex(wanted)
    except ValueError:
        raise CannotExplain(Refusal.NO_ID, wanted) from None
    if len(given) == TAIL_BYTES:
        several = lookup.by_tail(given)
        if len(several) > 1:
            raise CannotExplain(Refusal.SEVERAL, wanted)
        if several:
            return several[0]
        raise CannotExplain(Refusal.UNKNOWN, wanted)
    if len(given) != ID_BYTES:
        raise CannotExplain(Refusal.NO_ID, wanted)
    found = lookup.by_id(given)
    if found is None:
        raise CannotExplain(Refusal.PRUNED if _is_older(given, lookup.first()) else Refusal.UNKNOWN, wanted)
    return found


def _is_older(record_id: bytes, first: Found | None) -> bool:
    """By the time in its UUIDv7: whether it may have left the disk."""
    if first is None or first.seq == 1:
        return False
    return int.from_bytes(record_id[:6], "big") < first.record.entry.time_ms


def _explained(lookup: Lookup, found: Found, left: int) -> Explanation:
    entry = found.record.entry
    trace = entry.public.get(RULES)
    own = profile_type(entry.profile) if entry.profile is not None else None
    rules = read_trace(trace, RuleEnum if own is None else own.rules) if isinstance(trace, bytes) else ()
    earlier = lookup.by_id(entry.refers_to) if entry.refers_to is not None and left else None
    return Explanation(
        found=found,
        rules=rules,
        silence=None if rules else _silence(entry.kind, entry.refers_to),
        in_force=_in_force(lookup, found),
        refers_to=entry.refers_to if earlier is None else None,
        before=None if earlier is None else _explained(lookup, earlier, left - 1),
    )


def _silence(kind: str, refers_to: bytes | None) -> Silence:
    if refers_to is not None:
        return Silence.FOLLOWS
    return Silence.NO_CREDENTIAL if kind == Kind.DECISION else Silence.NO_DECISION


def _in_force(lookup: Lookup, found: Found) -> InForce:
    """Back to the last whole one before the record: what it names, and what was installed since."""
    bundles: dict[str, int] = {}
    with closing(lookup.before(CONTEXT, found.place)) as contexts:  # type: ignore[type-var]
        for context in contexts:
            public = context.record.entry.public
            installed = public.get("bundles")
            if isinstance(installed, Mapping):
                bundles = {**{name: each for name, each in installed.items() if isinstance(each, int)}, **bundles}
            software, configuration = public.get("software"), public.get("configuration")
            if isinstance(software, str):
                digest = configuration.hex() if isinstance(configuration, bytes) else None
                return InForce(software, digest, dict(sorted(bundles.items())), whole=isinstance(installed, Mapping))
    return InForce(bundles=dict(sorted(bundles.items())))
