"""Counting in durable marks: what a person had, of something, until a moment at which it is forgotten."""

from __future__ import annotations

from profiles.api import Facts, Mark, Subject


def counted(scope: str, key: bytes, facts: Facts) -> int:
    """How much stands in the tally."""
    return facts.mark(scope, key) or 0


def count(scope: str, key: bytes, by: int, ends_ms: int, facts: Facts) -> Mark:
    """The mark that adds ``by`` to a tally; a negative one takes back, and nothing falls below zero."""
    return Mark(scope, key, max(0, (facts.mark(scope, key) or 0) + by), ends_ms)


def key_of(subject: Subject, *parts: str) -> bytes:
    """A person's key in a tally, beside what else tells one tally from another. The parts hold no slash."""
    return "/".join((*parts, subject.namespace)).encode() + b":" + subject.id
