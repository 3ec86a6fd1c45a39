"""How the bench of virtual devices is spoken to: one JSON object a line over a Unix socket, one answer each.

The bench itself is ``python -m drivers.virtual``; this module is light, for its clients' sake.
"""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

SOCKET_NAME = "virtual.sock"
CAMERA_FILE = "camera.url"
"""In the bench's directory: the address of the camera's stream."""
USUAL_DEVICES = ("pcscd", "pn532", "relay", "scanner", "keypad")
SECOND_DEVICES = ("scanner-2", "keypad-2", "scale")
DEVICES = (*USUAL_DEVICES, *SECOND_DEVICES, "camera", "library")
"""What is not usual stands only where it is asked for: a camera's pictures cost a share of a core."""
LIBRARY_FILE = "sip2.address"
"""In the bench's directory: where the library's system listens, as HOST:PORT."""
LINE_MAX_BYTES = 65_536
ANSWER_MAX_BYTES = 1_048_576

Milliseconds = Annotated[int, Field(ge=1, le=60_000)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
CameraTrouble = Literal["none", "frozen", "silent", "garbage"]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Insert(_Message):
    """Present a card: ``card`` is a card file's path or a ready-made name. Without a reader, where such cards go."""

    do: Literal["insert"] = "insert"
    card: str = Field(min_length=1, max_length=4096)
    reader: Name | None = None
    tear_after: Annotated[int, Field(ge=1, le=1000)] | None = None
    slow_ms: Annotated[int, Field(ge=1, le=10_000)] | None = None
    garbage: Annotated[int, Field(ge=0)] | None = Field(default=None, description="seed of the nonsense")


class Remove(_Message):
    """Take the card away; without a reader, every card."""

    do: Literal["remove"] = "remove"
    reader: Name | None = None


class Scan(_Message):
    """Hold a code (``show``, on a phone) or a barcode (``scan``) before a serial scanner."""

    do: Literal["show", "scan"] = "scan"
    text: Text = Field(repr=False)
    scanner: Name = "scanner"


class Hold(_Message):
    """Hold a phone with codes before the camera, as a named look of it (:data:`drivers.virtual.phone.LOOKS`).

    Without texts, the phone that is there is taken away. One that is there shows the new texts in its place.
    """

    do: Literal["hold"] = "hold"
    texts: tuple[Text, ...] = Field(default=(), max_length=16, repr=False)
    look: Name = "clear"
    symbology: Name = "qr"
    hold_ms: Milliseconds = 3000
    enter_ms: Annotated[int, Field(ge=0, le=2000)] = Field(default=300, description="how long it takes to come and go")


class Trouble(_Message):
    """What the camera does wrong from now on: one picture for ever, no pictures, no JPEG in them; or ``none``."""

    do: Literal["trouble"] = "trouble"
    trouble: CameraTrouble


class Shown(_Message):
    """Ask from which frames on codes were wholly in the camera's picture."""

    do: Literal["shown"] = "shown"


class Press(_Message):
    """Set an input of the board for good (``active``) or for ``pulse_ms``, or type on a keypad and enter it."""

    do: Literal["press"] = "press"
    input: Name | None = None
    active: bool | None = None
    pulse_ms: Milliseconds | None = None
    amount: str | None = Field(default=None, pattern=r"^[0-9.a-z]{1,32}$")
    keypad: Name = "keypad"

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.input is None) == (self.amount is None):
            raise ValueError("give an input or an amount")
        if (self.input is not None) is not ((self.active is None) != (self.pulse_ms is None)):
            raise ValueError("give an input with active or pulse_ms, an amount with neither")
        return self


class Weigh(_Message):
    """Put so many grams onto the empty scale, or with 0 take everything off."""

    do: Literal["weigh"] = "weigh"
    grams: Annotated[int, Field(ge=0, le=99_999)]


class Relay(_Message):
    """Ask for the board's outputs, inputs and history."""

    do: Literal["relay"] = "relay"


class Library(_Message):
    """Ask for the library's loans, and for what was done with its items."""

    do: Literal["library"] = "library"


class Plug(_Message):
    """Pull out a device, or connect it again: ``pcscd`` (the daemon stops), ``pn532``, ``relay``, ``scanner``, …"""

    do: Literal["unplug", "replug"]
    device: Name


class Status(_Message):
    """Ask what is there."""

    do: Literal["status"] = "status"


class Stop(_Message):
    """End the bench."""

    do: Literal["stop"] = "stop"


Command = Annotated[
    Insert | Remove | Scan | Hold | Trouble | Shown | Press | Weigh | Relay | Library | Plug | Status | Stop,
    Field(discriminator="do"),
]
_COMMAND: TypeAdapter[Command] = TypeAdapter(Command)


class Change(_Message):
    """One coil that changed. ``at_ns`` is ``time.monotonic_ns()``, the same clock in every process of the machine."""

    output: str
    on: bool
    at_ns: int


class RelayState(_Message):
    """The board: outputs and contacts by name, and what its coils did, oldest first."""

    outputs: dict[str, bool]
    inputs: dict[str, bool]
    history: tuple[Change, ...]


class LibraryMove(_Message):
    """What was asked of the library about an item: ``out``, ``in`` or ``renew``; dates as they came over SIP2."""

    act: str
    item: str
    patron: str | None = Field(default=None, repr=False)
    no_block: bool
    cancel: bool
    date: str
    due: str
    done: bool


class LibraryState(_Message):
    """Who has what, by item, and what was done, oldest first."""

    loans: dict[str, str] = Field(repr=False)
    moves: tuple[LibraryMove, ...]


class Showing(_Message):
    """From which frame on a code was wholly in the picture, and when that was about to be sent (as :class:`Change`)."""

    sequence: int
    at_ns: int


class BenchState(_Message):
    """What is there and where; also the line that the bench prints when it is ready."""

    directory: Path
    socket: Path
    environment: dict[str, str] = Field(description="what a process needs before its first PC/SC call")
    readers: dict[str, str] = Field(description="reader name here: its PC/SC name, or its serial port")
    ports: dict[str, Path] = Field(description="serial devices by kind; of the camera, its address file")
    state_dir: str = Field(default="", description="of the terminal whose they are; empty where nobody named it")


class Refusal(_Message):
    """Why a command was not carried out, or the bench cannot start."""

    zh: str
    en: str


class Answer(_Message):
    """What became of a command; ``error`` says why not."""

    ok: bool
    error: Refusal | None = None
    relay: RelayState | None = None
    library: LibraryState | None = None
    shown: tuple[Showing, ...] | None = None
    state: BenchState | None = None

    @classmethod
    def refusal(cls, zh: str, en: str) -> Self:
        """A command that was not carried out."""
        return cls(ok=False, error=Refusal(zh=zh, en=en))


def parse_command(line: bytes) -> Command | Answer:
    """The command in one line, or the answer that says what is wrong with it."""
    try:
        return _COMMAND.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return Answer.refusal(
            f"命令无效{f'：{where}' if where else ''}",
            f"not a command: {f'{where}: ' if where else ''}{first['msg']}",
        )


def ask_bench(socket_path: Path, command: Mapping[str, Any], timeout_s: float = 90.0) -> dict[str, Any]:
    """Send one command and return the bench's :class:`Answer` as a mapping, without what it does not hold.

    Raises ``OSError`` when no bench listens there, or it breaks off.
    """
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(timeout_s)
        link.connect(str(socket_path))
        link.sendall(json.dumps(command).encode() + b"\n")
        link.shutdown(socket.SHUT_WR)
        with link.makefile("rb") as stream:
            line = stream.readline(ANSWER_MAX_BYTES)
    try:
        return Answer.model_validate_json(line).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        raise ConnectionAbortedError(errno.ECONNABORTED, "the bench broke off") from error
