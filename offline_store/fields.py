"""The fields of a record's bytes, held against the rules of :mod:`offline_store.record` without making its objects.

For who reads records by the million and needs a few columns of most. What :func:`record_fields` takes is what
:meth:`Record.from_bytes` takes: a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import cbor2

from offline_store.checks import decoded, entry_fields, not_deterministic, place_fields, public_fields
from offline_store.record import Money

SEQ, ID, KIND, TIME_MS, LANE, PROFILE, REASON, REFERS_TO = 1, 2, 3, 4, 8, 9, 10, 13
MONEY, PUBLIC, SEALED, PREV_HASH = 14, 15, 16, 17
"""The keys that are asked for, of the table in :mod:`offline_store.record`."""
_REMEMBERED = 64


def record_fields(data: bytes) -> Mapping[int, Any]:
    """The map of :mod:`offline_store.record`, checked. Raises :class:`RecordInvalid` and :class:`UnknownSuite`.

    The map is encoded again as it came, its inner maps put in order: only the one encoding gives the same bytes.
    """
    fields = decoded(data)
    _order(*fields)
    get: Callable[..., Any] = fields.get
    own, kind, time_ms, quality, boot_id, monotonic_ms, lane, profile, reason, medium, subject, refers_to = map(
        get, range(2, 14)
    )
    entry_fields(
        own, kind, time_ms, quality, monotonic_ms, lane, profile, reason, medium, subject, refers_to, get(SEALED)
    )
    place_fields(fields[0], get(SEQ), boot_id, get(PREV_HASH))
    if MONEY in fields:
        fields[MONEY] = Money.from_map(fields[MONEY]).to_map()
    if PUBLIC in fields:
        fields[PUBLIC] = public_fields(fields[PUBLIC])
    if cbor2.dumps(fields) != data or None in fields.values() or fields.get(PUBLIC) == {}:
        raise not_deterministic()
    return fields


@lru_cache(maxsize=_REMEMBERED, typed=True)
def _order(*keys: object) -> None:
    """Known keys in ascending order. Terminals have few sets of them, so they are remembered; what raises is not."""
    numbers = [key for key in keys if type(key) is int and 0 <= key <= PREV_HASH]
    if len(numbers) < len(keys) or numbers != sorted(numbers):
        raise not_deterministic()
