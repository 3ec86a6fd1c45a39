"""Of several printed codes of one holder only the newest counts: who reprints a lost one revokes it by showing the new.

A static code can be copied, and lost on paper; its issuer prints another for the same token, with a later hour of
issue or, within the hour, a higher status index. A terminal remembers for each token the newest that it accepted, in a
durable mark, and refuses what is older: also one that no list has reached since. Beyond :data:`MAX_HOLDERS` it
remembers no new ones, and the status list alone decides about theirs.
"""

from __future__ import annotations

from agent.credentials.ec1 import Issued
from agent.credentials.replay import Marks
from profiles.api import Mark

SCOPE = "printed"
MAX_HOLDERS = 20_000
_INDEX_BITS = 32


def is_superseded(marks: Marks, issued: Issued, token: bytes, now_ms: int) -> bool:
    """Whether a newer one of the same token was accepted."""
    return (marks.get(SCOPE, _key(issued, token), now_ms) or 0) > _order(issued)


def acceptance(marks: Marks, issued: Issued, token: bytes, now_ms: int) -> tuple[Mark, ...]:
    """What the record that accepts one saves; nothing where it is the one that is known."""
    key = _key(issued, token)
    known = marks.get(SCOPE, key, now_ms)
    if known == _order(issued) or (known is None and marks.count(SCOPE) >= MAX_HOLDERS):
        return ()
    return (Mark(SCOPE, key, _order(issued), issued.exp_s * 1000),)


def _key(issued: Issued, token: bytes) -> bytes:
    return issued.issuer.to_bytes(2, "big") + token


def _order(issued: Issued) -> int:
    return issued.iat_h << _INDEX_BITS | issued.status_index
