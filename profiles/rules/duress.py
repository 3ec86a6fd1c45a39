"""Duress (胁迫): a credential that tells, silently, that its holder is being forced.

It is decided like any other; the screen, the sound and the gate show nothing. Beside the decision stands an alarm that
names it, and the platform hears it at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Credential, Effect, Facts, Kind, RaiseAlarm, Record
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.admission import Entitlement

_S = Sentence


class DuressReason(ReasonEnum):
    """The silent alarm."""

    DURESS = (
        "duress",
        _S("请通行", "Please pass"),
        _S(
            "持有人使用了胁迫凭证，可能被人胁迫；现场没有任何提示",
            "a duress credential was used; nothing there showed it",
        ),
    )


class Duress(BaseModel):
    """Settings of one lane. Whom ``admit`` lets pass stays its own affair: name the entitlement there too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entitlements: frozenset[Entitlement] = Field(
        default=frozenset(), description="whoever shows a credential with one of these is being forced"
    )

    def beside(
        self,
        credential: Credential,
        effects: tuple[Effect, ...],
        public: Mapping[str, str | int | bool],
        facts: Facts,
    ) -> tuple[Effect, ...]:
        """The effects of a presentation, with the silent alarm; a refusal that is only counted was alarmed before."""
        decisions = (each for each in effects if isinstance(each, Record) and each.kind is Kind.DECISION)
        decision = None if self.entitlements.isdisjoint(credential.entitlements) else next(decisions, None)
        if decision is None:
            return effects
        alarm = Record(
            facts.new_id(),
            Kind.ALARM,
            DuressReason.DURESS,
            medium=credential.medium,
            subject=credential.subject,
            refers_to=decision.id,
            public=public,
        )
        return (*effects, alarm, RaiseAlarm(DuressReason.DURESS, alarm.id))
