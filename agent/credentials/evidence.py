"""Presentation evidence: what lets the platform see for itself that the holder was there.

A code carries its own proof: the whole text, which the platform verifies again. A card that was merely read proves
nothing beyond the terminal's word, and has none. Evidence is one deterministic CBOR map, sealed for the platform in the
record that needs it: ``{0: 1, 1: "code", 2: text}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent import cbor

VERSION = 1
CODE = "code"
MAX_BYTES = 8_192
_VERSION, _KIND, _TEXT = 0, 1, 2


class EvidenceInvalid(ValueError):
    """The bytes are no evidence that this version knows; the text says why."""


@dataclass(frozen=True, slots=True)
class CodeEvidence:
    """The whole text of a code as it was read."""

    text: str = field(repr=False)

    def encode(self) -> bytes:
        """What a record seals."""
        return cbor.encode({_VERSION: VERSION, _KIND: CODE, _TEXT: self.text})


def read(data: bytes) -> CodeEvidence:
    """Read evidence strictly. Raises :class:`EvidenceInvalid`."""
    try:
        value = cbor.decode(data, max_bytes=MAX_BYTES, max_depth=1)
    except cbor.CborError as error:
        raise EvidenceInvalid(str(error)) from error
    match value:
        case Mapping() if value.keys() == {_VERSION, _KIND, _TEXT}:
            version, kind, text = value[_VERSION], value[_KIND], value[_TEXT]
            if version == VERSION and kind == CODE and isinstance(text, str):
                return CodeEvidence(text)
    raise EvidenceInvalid("evidence is a map of version 1, the kind code, and its text")
