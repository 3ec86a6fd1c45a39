"""What a driver may be: a few small capabilities, the readings they hand over, and two kinds of fault.

A driver is blocking code that one thread of the agent calls; only :meth:`cancel` may be called from another thread.
A *reader fault* (:class:`ReaderError`) means the device is gone or speaks nonsense: the agent closes it and opens it
again later. A *card fault* (:class:`CardError`) concerns one presentation: the device is well, the citizen tries again.

A driver is added by one file and one entry in ``setup.cfg`` (group ``onecard.drivers``) that names a class with a
``Settings`` model and a constructor ``(name, settings)``; opening nothing and importing nothing heavy until ``open``.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from enum import Enum, StrEnum
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field


class Interface(StrEnum):
    """How the card meets the reader (ISO/IEC 7816-3 contacts, ISO/IEC 14443 field)."""

    CONTACT = "contact"
    CONTACTLESS = "contactless"


class Fault(Enum):
    """A closed list of faults: code, Chinese and English sentence for the technician."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        self.code = code
        self.zh = zh
        self.en = en


class ReaderFault(Fault):
    """Why a device does not work."""

    NO_SERVICE = ("no-service", "读卡服务 pcscd 未运行", "the card service pcscd is not running")
    NOT_FOUND = ("not-found", "找不到设备", "the device was not found")
    UNPLUGGED = ("unplugged", "设备已拔出", "the device was unplugged")
    BUSY = ("busy", "设备被其他程序占用", "another program holds the device")
    DENIED = ("denied", "没有访问设备的权限", "no permission to use the device")
    SILENT = ("silent", "设备没有应答", "the device does not answer")
    PROTOCOL = ("protocol", "设备应答无法识别", "the device answers nonsense")


class CardFault(Fault):
    """Why one presentation of a card gave nothing."""

    REMOVED = ("removed", "卡片在读取中被移开", "the card left while it was read")
    MUTE = ("mute", "卡片没有应答", "the card does not answer")
    SHARED = ("shared", "卡片被其他程序占用", "another program holds the card")
    GARBLED = ("garbled", "卡片应答无法识别", "the card answers nonsense")
    UNSUPPORTED = ("unsupported", "不支持的卡片", "no known application on this card")
    INTERFACE = ("interface", "此卡不允许以这种方式使用", "this card may not be used over this interface")
    SEVERAL = ("several", "感应区内有多张卡片", "more than one card in the field")
    BUDGET = ("budget", "卡片指令次数超出限制", "the card needs more commands than allowed")
    LOCKED = ("locked", "卡片要求密码", "the card asks for a PIN first")


class DriverError(Exception):
    """The root of this room's faults. ``detail`` is for the technician and holds no personal data."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"{fault.en}: {detail}" if detail else fault.en)
        self.fault = fault
        self.detail = detail


class ReaderError(DriverError):
    """The device is broken, absent, or held by another; only opening it again can help."""

    def __init__(self, fault: ReaderFault, detail: str = "") -> None:
        super().__init__(fault, detail)
        self.fault: ReaderFault = fault


class CardError(DriverError):
    """This presentation failed; the device is well and the next one may succeed."""

    def __init__(self, fault: CardFault, detail: str = "") -> None:
        super().__init__(fault, detail)
        self.fault: CardFault = fault


class DriverSettings(BaseModel):
    """Base of every driver's settings: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    prints: ClassVar[bool] = False
    """Whether the driver is a :class:`Printer`."""
    shows: ClassVar[bool] = False
    """Whether it is a :class:`TextScreenDevice`."""
    speaks: ClassVar[bool] = False
    """Whether it is a :class:`Voice`."""


class _Reading(BaseModel):
    """What a driver hands over. ``reader`` is the device's name in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    reader: str
    at_ns: int = Field(description="time.monotonic_ns() of the last byte that made this reading")


class CardReading(_Reading):
    """What one card told. Personal fields never reach ``repr``."""

    application: str = Field(description="entry-point name of the card application: social-security, t-union, pboc")
    interface: Interface
    issuer: bytes = Field(description="issuing body as the card states it; empty if it states none")
    identifier: bytes = Field(repr=False, description="what is unique to the card: 卡识别码 or card number, raw")
    authenticated: bool = Field(default=False, description="whether the card answered a cryptographic challenge")
    fields: Mapping[str, str] = Field(default_factory=dict, repr=False, description="only the fields asked for")
    valid_from: str | None = Field(default=None, description="YYYYMMDD as the card states it")
    valid_until: str | None = Field(default=None, description="YYYYMMDD as the card states it, last valid day")
    apdu_count: int = 0


class CardRemoved(_Reading):
    """The card that was read last, or that another program held, has left the reader."""


class CodeReading(_Reading):
    """The text of a code or barcode, as seen."""

    text: str = Field(repr=False, max_length=4096)
    symbology: str = Field(default="qr", description="qr, code-128, ean-13 … as the decoder names it, or 'serial'")


class AmountReading(_Reading):
    """A number typed on a keypad, in fen."""

    amount_fen: int = Field(ge=0, le=10_000_000)


class AmountProblem(StrEnum):
    """Why what was entered on a keypad is no amount."""

    UNREADABLE = "unreadable"
    TOO_MUCH = "too-much"


class NoAmount(_Reading):
    """Something was entered on a keypad, and it is no amount."""

    problem: AmountProblem


class FunctionKey(StrEnum):
    """What a cashier's keypad can say beside amounts."""

    DISH = "dish"
    WEIGHT = "weight"
    GUESTS = "guests"
    PAY = "pay"
    SALES = "sales"
    RECEIPT = "receipt"
    VOID = "void"
    REFUND = "refund"
    OPERATOR = "operator"
    SHIFT = "shift"
    STATION = "station"
    CHECK = "check"
    NEXT = "next"
    ACCOUNT = "account"
    BILL = "bill"
    REGISTER = "register"
    MEDICINE = "medicine"
    SETTLE = "settle"
    ASSIST = "assist"


class KeyReading(_Reading):
    """A function key of a keypad, with the number that was typed before it.

    ``digits`` are those of a number that is a name, a bill's: as they were typed, and perhaps too many for a number.
    """

    key: FunctionKey
    number: int | None = Field(default=None, ge=0, le=99_999_999)
    digits: str = Field(default="", pattern=r"^[0-9]{0,32}\z")


class PinReading(_Reading):
    """A PIN typed on a keypad that is there for PINs."""

    digits: str = Field(repr=False, pattern=r"^[0-9]{4,12}\z")


MAX_WEIGHT_GRAMS = 60_000


class WeightReading(_Reading):
    """What lies still on a scale; 0 when nothing does. A weight is said again while it lies there."""

    grams: int = Field(ge=0, le=MAX_WEIGHT_GRAMS)


class InputReading(_Reading):
    """A digital input changed: passage sensor, door contact, fire line, button."""

    input: str
    active: bool


class CodeProblem(StrEnum):
    """Why a code that is in view is not read; the first two are answered by moving the phone."""

    SMALL = "small"
    CUT = "cut"
    UNREAD = "unread"


class CodeHint(_Reading):
    """A code has been in view for a while and is not read."""

    problem: CodeProblem


class SourceHealth(_Reading):
    """A camera begins to read worse than it used to (dirty, moved, badly lit), or reads as before again."""

    poor: bool


Typed = AmountReading | NoAmount | KeyReading | PinReading
Reading = CardReading | CardRemoved | CodeReading | CodeHint | SourceHealth | Typed | InputReading | WeightReading


class Device(Protocol):
    """What every driver has."""

    Settings: ClassVar[type[DriverSettings]]
    name: str

    def open(self) -> None:
        """Open the device. Raises :class:`ReaderError`. May be called again after :meth:`close`."""

    def close(self) -> None:
        """Release the device; harmless when it is closed, never raises."""

    def cancel(self) -> None:
        """Make a blocked call of this device return soon. The one method for other threads."""


@runtime_checkable
class Source(Device, Protocol):
    """Something that yields readings: scanner, keypad, inputs, or a card reader behind ``CardSource``."""

    def read(self, timeout_s: float) -> Reading | None:
        """Wait for the next reading; ``None`` after the timeout or :meth:`cancel`. Raises the two errors."""


class CardChannel(Protocol):
    """A powered card. Dies with its presentation: every later call raises ``CardError(REMOVED)``."""

    interface: Interface
    atr: bytes
    """Answer to reset (ISO/IEC 7816-3 §8); for contactless cards the ATR that PC/SC part 3 §3.1.3.2.3 builds."""

    def transmit(self, apdu: bytes) -> bytes:
        """Send one command APDU, return data and the two status bytes (ISO/IEC 7816-4 §5).

        The channel adapts the APDU to the transmission protocol (T=0, T=1, ISO-DEP) and hands ``61xx``/``6Cxx`` on
        as the card gave them. Raises :class:`CardError` (REMOVED, MUTE, GARBLED) and :class:`ReaderError`.
        """


@runtime_checkable
class CardReader(Device, Protocol):
    """A reader of chip cards. One presentation is handed out once."""

    def wait_card(self, timeout_s: float) -> CardChannel | None:
        """Wait for a card to be presented; ``None`` after the timeout or :meth:`cancel`.

        A card that was handed out, or refused by a :class:`CardError`, is not handed out again before it has left.
        The one exception is ``SHARED``: when the other program lets go, the same presentation is handed out.
        """

    def wait_removal(self, timeout_s: float) -> bool:
        """Wait until no card is presented; ``False`` after the timeout or :meth:`cancel`.

        The reading is over: the channel is not used any more, and a reader that programs share lets the card go.
        """


class Pulse(NamedTuple):
    """When a pulse began, in ``time.monotonic_ns()``."""

    commanded_ns: int
    """The command had left for the device."""
    confirmed_ns: int
    """The device had confirmed that the output is on."""


@runtime_checkable
class Actuator(Device, Protocol):
    """Outputs that open things. It gives permission pulses and never commands a close."""

    def pulse(self, output: str, pulse_ms: int) -> Future[Pulse]:
        """Switch a named output on, and off again after ``pulse_ms``.

        Returns at once, from any thread; the future is done when the device has confirmed, or holds the
        :class:`ReaderError`. Raises ``KeyError`` for an output that the settings do not name.
        """


@runtime_checkable
class Printer(Device, Protocol):
    """A receipt printer."""

    def print_lines(self, lines: tuple[str, ...]) -> None:
        """Print and cut. Raises :class:`ReaderError` (paper out is ``NOT_FOUND`` with its detail)."""


class TextScreenDevice(Device, Protocol):
    """A screen of lines of text."""

    def show_lines(self, lines: tuple[str, ...]) -> None:
        """Show these lines instead of what is there; none: an empty screen. Raises :class:`ReaderError`."""


class Voice(Device, Protocol):
    """Something that speaks."""

    def say(self, zh: str, en: str) -> None:
        """Say it, in whichever of the languages, instead of what is being said; nothing: be silent.

        Raises :class:`ReaderError`.
        """
