"""The settings of a library's lane, and the state that is saved with its records."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Assurance, ProfileSettings, State, Subject, Wiring
from profiles.barcodes import ItemNumbers
from profiles.loans import Act
from profiles.purpose import Purpose
from profiles.rules.admission import Admission
from profiles.rules.assurance import LeastAssurance
from profiles.rules.codes import CodePolicy
from profiles.rules.loans import OfflineLoans
from profiles.rules.schedule import Schedule
from profiles.scene import SceneState


class LibrarySettings(ProfileSettings):
    """Settings of one desk or self-service machine."""

    admit: Admission
    least_assurance: LeastAssurance = Field(
        default=Assurance.READ, description="uid, read, static-code, dynamic-code …"
    )
    schedule: Schedule = Schedule()
    codes: CodePolicy = CodePolicy(purposes=frozenset({Purpose.ANY, Purpose.BORROW}))
    items: ItemNumbers = ItemNumbers()
    square_items: bool = Field(default=False, description="whether items bear QR or Data Matrix codes")
    patron_prefix: str = Field(
        default="",
        pattern=r"^[0-9A-Za-z-]{0,16}$",
        description="stands before the person's pseudonym in what the library is asked",
    )
    returns: bool = Field(default=True, description="an item that is scanned while nobody is logged in is returned")
    ask_deadline_ms: int = Field(
        default=3_000, ge=100, le=30_000, description="so long the reader waits for the library's system"
    )
    idle_ms: int = Field(default=60_000, ge=5_000, le=600_000, description="a session without a scan ends after it")
    offline: OfflineLoans = OfflineLoans()
    end_input: str | None = Field(default=None, description="the button that ends a session")
    desensitise_output: str | None = Field(
        default=None, description="the output that silences an item's tag, after its loan is recorded"
    )
    resensitise_output: str | None = Field(
        default=None, description="the output that makes an item's tag live again, after its return is recorded"
    )
    tag_ms: int = Field(default=500, ge=20, le=5_000, description="how long these outputs are on")

    @model_validator(mode="after")
    def _lengths_in_order(self) -> LibrarySettings:
        if self.items.min_chars > self.items.max_chars:
            raise PydanticCustomError(
                "said",
                "{en}",
                {"zh": "items.min_chars 不应大于 max_chars", "en": "items.min_chars should not be above max_chars"},
            )
        return self

    def wiring(self) -> Wiring:
        """What must be on the lane's board."""
        tags = {"desensitise_output": self.desensitise_output, "resensitise_output": self.resensitise_output}
        outputs = {key: output for key, output in tags.items() if output is not None}
        return Wiring(outputs, {} if self.end_input is None else {"end_input": self.end_input})


class Session(State):
    """One reader at the machine. ``id`` is that of the record which opened it."""

    id: bytes
    medium: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    patron: str
    is_open: bool = Field(default=False, description="the library has answered, or is away")
    is_full: bool = Field(default=False, description="the library says that he has all that he may have")
    charged: tuple[str, ...] = Field(default=(), description="what the reader had before")
    handled: tuple[str, ...] = Field(default=(), description="what was borrowed or renewed in this session")

    @property
    def subject(self) -> Subject:
        """Who it is."""
        return Subject(self.subject_namespace, self.subject_id, self.provisional)


class Handling(State):
    """One item of which the library was asked. ``id`` is that of the record which says so."""

    id: bytes
    act: Act
    item: str
    session: Session | None = Field(description="whose, without the lists of items")
    at_ms: int
    record_id: bytes = Field(default=b"", description="of the loan that came of it")

    @property
    def about(self) -> bytes:
        """What the records about it refer to: the session, where the evidence is; a return has only its asking."""
        return self.id if self.session is None else self.session.id


class LibraryState(SceneState):
    """State of one lane."""

    session: Session | None = None
    handling: Handling | None = Field(default=None, description="recorded and not decided yet")
    latest: Handling | None = Field(default=None, description="the last one done: its record may still prove late")
    minute: int = Field(default=0, description="Unix minutes; the last one in which an item was asked for")
    asked: int = Field(default=0, description="how many were asked for in it")
