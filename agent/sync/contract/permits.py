"""What a technician's permit says, and what its device signs for one act at one terminal; docs/permits.md.

A :class:`Permit` is the payload of a COSE_Sign1 by a platform key of the role *technician*; an :class:`Act` that of one
by the permit's own device key. Neither travels over MQTT: they come by hand, by mail, or from a screen.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agent.sync.contract.messages import TerminalId, TimeMs
from agent.sync.contract.wire import Key, Message

MAX_PLACES = 16
MAX_ROLES = 8
MAX_SIGNED_PERMIT_BYTES = 2_048

Word = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}\z")]
Places = Annotated[tuple[TerminalId, ...], Field(min_length=1, max_length=MAX_PLACES)]
Challenge = Annotated[bytes, Field(min_length=5, max_length=5)]


class Permit(Message):
    """Who may do what, where, until when, and by which device. One of ``terminals`` and ``sites`` is there, or both."""

    kind: Annotated[Literal["permit"], Key(1)] = "permit"
    id: Annotated[bytes, Field(min_length=16, max_length=16), Key(2)]
    holder: Annotated[Word, Key(3)]
    """The person, by the operator's own number for staff: the same in every permit of theirs, and no name."""
    roles: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MAX_ROLES), Key(4)]
    device: Annotated[bytes, Field(min_length=33, max_length=33), Key(5)]
    """A P-256 public key, compressed (SEC 1 §2.3.3)."""
    from_ms: Annotated[TimeMs, Key(6)]
    until_ms: Annotated[TimeMs, Key(7)]
    terminals: Annotated[Places | None, Key(8)] = None
    sites: Annotated[Places | None, Key(9)] = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.terminals is None and self.sites is None:
            raise ValueError("a permit names terminals or sites")
        return self

    def counts_at(self, terminal: str, site: str | None) -> bool:
        """Whether it is for this terminal, or for the site that it stands at."""
        return terminal in (self.terminals or ()) or (site is not None and site in (self.sites or ()))


class Act(Message):
    """One act at one terminal, signed by the permit's device in answer to the terminal's challenge."""

    kind: Annotated[Literal["act"], Key(1)] = "act"
    permit: Annotated[bytes, Field(min_length=1, max_length=MAX_SIGNED_PERMIT_BYTES), Key(2)]
    """The signed permit."""
    terminal: Annotated[TerminalId, Key(3)]
    act: Annotated[Word, Key(4)]
    challenge: Annotated[Challenge, Key(5)]
