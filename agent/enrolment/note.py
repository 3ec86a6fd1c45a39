"""The note that an enrolment leaves in the key store: when it was, by the platform's signed word, and by which code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent import cbor, private_files
from agent.private_files import KeyStoreError

NAME = "enrolled.cbor"
_MAX_BYTES = 128


@dataclass(frozen=True)
class Enrolled:
    """It is not earlier than ``issued_ms`` now; ``code`` is the code's id."""

    issued_ms: int
    code: str

    def encode(self) -> bytes:
        """The file's content."""
        return cbor.encode({1: self.issued_ms, 2: self.code})


def enrolled(directory: Path) -> Enrolled | None:
    """The note in a key directory; ``None`` if nobody enrolled the terminal."""
    try:
        match cbor.decode(private_files.read(directory / NAME), max_bytes=_MAX_BYTES, max_depth=1):
            case {1: int() as issued_ms, 2: str() as code}:
                return Enrolled(issued_ms, code)
    except (KeyStoreError, cbor.CborError):
        pass
    return None
