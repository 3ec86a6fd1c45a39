"""Kinds of journal records that profiles write."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """Kinds of journal records that a profile writes."""

    DECISION = "decision"
    OUTCOME = "outcome"
    ALARM = "alarm"
    LIFE_SAFETY = "life-safety"
    ASKED = "asked"
    PAYMENT = "payment"
    REVERSAL = "reversal"
    RELEASE = "release"
    REFUND = "refund"
    LOAN_ASKED = "loan-asked"
    LOAN = "loan"
    COUNTER = "counter"
    NOTICE = "notice"
