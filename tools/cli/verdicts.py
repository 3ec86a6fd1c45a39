"""How a verdict is told at the command line, to people and to machines."""

from __future__ import annotations

import json

import click

from agent.words import say
from profiles.api import Presented, Reason, Rejected
from tools.cli import fields


def tell(verdict: Presented | Rejected, *, as_json: bool) -> None:
    """The reason in the reader's language, and what the credential says; no number of anybody."""
    click.echo(json.dumps(_facts(verdict), ensure_ascii=False) if as_json else _sentences(verdict))


def _facts(verdict: Presented | Rejected) -> dict[str, object]:
    reason = verdict.reason if isinstance(verdict, Rejected) else Reason.GRANTED
    facts: dict[str, object] = {
        "accepted": isinstance(verdict, Presented),
        "reason": reason.code,
        "citizen": {"zh": reason.citizen.zh, "en": reason.citizen.en},
        "technician": {"zh": reason.technician.zh, "en": reason.technician.en},
    }
    if isinstance(verdict, Presented):
        credential = verdict.credential
        facts |= {
            "source": credential.source,
            "medium": credential.medium.hex(),
            "namespace": credential.subject.namespace,
            "assurance": credential.assurance.name.lower().replace("_", "-"),
            "purpose": credential.purpose.name.lower(),
            "entitlements": sorted(credential.entitlements),
        }
    return facts


def _sentences(verdict: Presented | Rejected) -> str:
    if isinstance(verdict, Rejected):
        reason = verdict.reason
        return say(
            f"拒绝：{reason.technician.zh}\n屏幕：{reason.citizen.zh}",
            f"refused: {reason.technician.en}\nscreen: {reason.citizen.en}",
        )
    facts = _facts(verdict)
    entitlements = " ".join(sorted(verdict.credential.entitlements)) or "-"
    source, assurance, purpose = (fields.value(name, facts[name]) for name in ("source", "assurance", "purpose"))
    return say(
        f"通过：{source}，{assurance}，用途：{purpose}，权益：{entitlements}",
        f"accepted: {source}, {assurance}, for {purpose}, entitlements {entitlements}",
    )
