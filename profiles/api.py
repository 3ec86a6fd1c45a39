"""What a profile is: a pure reducer from (state, event, facts) to a step, and the words it is written in.

A profile does no I/O, reads no clock and draws no random number; all of that comes in through :class:`Facts`. It is
added by one file and one entry in ``setup.cfg`` (group ``onecard.profiles``) that names a class like :class:`Profile`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from profiles.families import FamilyEffect, FamilyEvent
from profiles.frozen import Frozen
from profiles.full_disk import FullDisk
from profiles.kinds import Kind as Kind  # noqa: PLC0414 -- everybody has it from here
from profiles.person import Person
from profiles.published import Published
from profiles.purpose import Purpose
from profiles.questions import Money, Question
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.codes import CodePolicy
from profiles.school_calendar import SchoolCalendar
from profiles.trace import RuleEnum
from profiles.wiring import Wiring as Wiring  # noqa: PLC0414
from profiles.withheld import repr_without

_S = Sentence


class Reason(ReasonEnum):
    """What all scenes share. A profile's own reasons stand in its own file."""

    GRANTED = ("granted", _S("请通行", "Please pass"), _S("准许", "granted"))
    NOT_ENTITLED = (
        "not-entitled",
        _S("您没有此处的权限，请到服务台咨询", "You are not entitled here; please ask at the service desk"),
        _S("凭证有效，但没有所需权限", "the credential is valid but carries no required entitlement"),
    )
    OUT_OF_HOURS = (
        "out-of-hours",
        _S("现在不是开放时间，请在开放时间再来", "Closed at this hour; please come back in opening hours"),
        _S("不在开放时段内", "outside the schedule"),
    )
    ASSURANCE_TOO_LOW = (
        "assurance-too-low",
        _S("此处需要更安全的凭证，请出示电子市民码", "A stronger proof is needed here; please show the citizen code"),
        _S("凭证可信等级低于此通道要求", "the credential's assurance is below what this lane accepts"),
    )
    MEDIUM_LOST = (
        "medium-lost",
        _S("此卡已挂失，请到服务台办理", "This card was reported lost; please go to the service desk"),
        _S("卡片登记为挂失", "the register says that this medium is lost"),
    )
    MEDIUM_DENIED = (
        "medium-denied",
        _S("此卡暂停使用，请到服务台咨询", "This card may not be used; please ask at the service desk"),
        _S("卡片在紧急名单中", "the emergency list denies this medium"),
    )
    EXPIRED = (
        "expired",
        _S("卡片已过有效期，请更换", "The card has expired; please have it replaced"),
        _S("凭证已过期", "the credential's last valid day has passed"),
    )
    NOT_YET_VALID = (
        "not-yet-valid",
        _S("卡片尚未生效，请到服务台咨询", "The card is not valid yet; please ask at the service desk"),
        _S("凭证尚未生效", "the credential's first valid day has not come"),
    )
    CARD_REMOVED = (
        "card-removed",
        _S("卡片移开太快，请重新放卡", "The card left too soon; please present it again"),
        _S("读取中卡片离开", "the card left while it was read"),
        True,
    )
    CARD_UNREADABLE = (
        "card-unreadable",
        _S("没有读到卡片，请重新放卡", "The card could not be read; please present it again"),
        _S("卡片无应答或应答无法识别", "the card is mute or answers nonsense"),
        True,
    )
    CARD_HELD = (
        "card-held",
        _S("读卡器正忙，请稍候再试", "The reader is busy; please wait a moment"),
        _S("其他程序占用卡片", "another program holds the card"),
        True,
    )
    CARD_UNSUPPORTED = (
        "card-unsupported",
        _S(
            "此处不能使用这种卡，请使用社会保障卡",
            "This kind of card is not accepted; please use the social-security card",
        ),
        _S("卡上没有已启用的应用", "no enabled application on this card"),
    )
    CARD_INTERFACE = (
        "card-interface",
        _S("请换一种方式放卡：插卡或贴卡", "Please present the card the other way: insert it or tap it"),
        _S("该应用不允许用此接口", "the application is not allowed over this interface"),
        True,
    )
    CARD_SEVERAL = (
        "card-several",
        _S("感应区有多张卡，请只放一张", "More than one card; please present only one"),
        _S("感应区内有多张卡片", "more than one card in the field"),
        True,
    )
    CARD_LOCKED = (
        "card-locked",
        _S("此卡需要密码，请到服务台办理", "This card asks for a PIN; please go to the service desk"),
        _S("卡片要求先校验密码", "the card asks for its PIN before reading"),
    )
    LIST_DAMAGED = (
        "list-damaged",
        _S("设备暂时不能使用，请走旁边通道", "Out of service for the moment; please use the next lane"),
        _S(
            "已安装的名单损坏，不知道是否挂失或停用；请重新安装该名单",
            "an installed list is damaged, so nobody knows what is lost or denied; install it again",
        ),
        True,
    )
    CODE_UNKNOWN = (
        "code-unknown",
        _S("无法识别此码，请出示电子市民码或放卡", "This code is not known; please show the citizen code or a card"),
        _S("码的格式未知", "the code's format is unknown"),
        True,
    )
    NOT_RECORDED = (
        "not-recorded",
        _S("设备暂时不能使用，请走旁边通道", "Out of service for the moment; please use the next lane"),
        _S("记录无法落盘，因此不开放", "the decision could not be made durable, so nothing opened"),
        True,
    )
    OUT_OF_SERVICE = (
        "out-of-service",
        _S("设备暂停服务，请走旁边通道", "Out of service; please use the next lane"),
        _S("终端的密钥或日志不可用，通道不接受任何凭证", "keys or journal cannot be used; the lanes accept nobody"),
        True,
    )
    ACTUATOR_FAILED = (
        "actuator-failed",
        _S("闸门没有动作，请走旁边通道", "The gate did not move; please use the next lane"),
        _S("执行器无应答", "the actuator did not confirm"),
        True,
    )
    ACTUATED = ("actuated", _S("请通行", "Please pass"), _S("执行器已确认", "the actuator confirmed"))
    NOT_ACTUATED = (
        "not-actuated",
        _S("设备暂时不能使用，请走旁边通道", "Out of service for the moment; please use the next lane"),
        _S("记录落盘太迟，没有开放", "the record became durable too late; nothing was opened"),
        True,
    )
    OUTCOME_UNKNOWN = (
        "outcome-unknown",
        _S("请重新出示", "Please present it again"),
        _S("终端重启，通行结果未知", "the terminal restarted before the outcome was known"),
        True,
    )
    REPEATED = (
        "repeated",
        _S("请重新出示", "Please present it again"),
        _S("同样的情况再次发生", "the same happened again"),
    )
    FIRE = (
        "fire",
        _S("紧急情况，通道已打开，请迅速离开", "Emergency: the way is open, please leave at once"),
        _S("消防输入动作，通道已打开", "the fire input is active, the way is open"),
    )
    FIRE_CLEARED = (
        "fire-cleared",
        _S("通道恢复使用", "The lane is in use again"),
        _S("消防输入已复位", "fire input reset"),
    )
    CAMERA_POOR = (
        "camera-poor",
        _S("请走旁边通道", "Please use the next lane"),
        _S(
            "摄像头找到码却常常读不出：镜头脏了、移位或光线变了",
            "the camera finds codes and fails to read them: dirty, moved or badly lit",
        ),
    )
    BUNDLE_OLD = (
        "bundle-old",
        _S("请走旁边通道", "Please use the next lane"),
        _S("数据包已到期，请尽快更新", "a bundle is past its expiry; bring a newer one"),
    )
    BUSY = (
        "busy",
        _S("请稍候，等前一位通过", "Please wait until the person before you has passed"),
        _S("通道正在服务他人", "the lane is serving somebody else"),
        True,
    )


class Assurance(IntEnum):
    """How much a credential proves: a card that was merely read can be cloned."""

    UID = 1
    READ = 2
    STATIC_CODE = 3
    DYNAMIC_CODE = 4
    AUTHENTICATED_CARD = 5


class ClockState(StrEnum):
    """Quality of the terminal's time; stands in every record as ``time_quality``."""

    SYNCHRONISED = "synchronised"
    HOLDOVER = "holdover"
    UNTRUSTED = "untrusted"


class Subject(NamedTuple):
    """The person, as a pseudonym: an issuer's namespace and 16 bytes; provisional if no register knows the medium."""

    namespace: str
    id: bytes
    provisional: bool = False


class Mark(NamedTuple):
    """A durable mark saved with the record: an expiring number under a scope and a key; ``None`` removes it."""

    scope: str
    key: bytes
    value: int | None
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Credential:
    """A reading that has been verified."""

    medium: bytes
    """16 bytes."""
    subject: Subject
    source: str
    """Card application or code format: ``social-security``, ``t-union``, ``pboc`` …"""
    assurance: Assurance
    entitlements: frozenset[str] = frozenset()
    purpose: Purpose = Purpose.ANY
    """What a dynamic code was shown for; cards and static codes are shown for anything."""
    presentation: bytes | None = None
    """Names this one showing of a dynamic code; ``None`` for what may be presented again and again."""
    marks: tuple[Mark, ...] = ()
    """Every record that accepts this credential carries these: they are what makes the showing unrepeatable."""
    evidence: bytes | None = field(default=None, repr=False)
    """Proves that the holder was there; ``None`` for a card. It goes into a record, to be sealed, and into no state."""


# Events ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Presented:
    """A verified credential was shown at this lane."""

    credential: Credential
    reader: str = ""
    """The device's name in the configuration; empty where the reading failed before it was one."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A reading did not become a credential."""

    reason: ReasonEnum
    medium: bytes | None = None
    subject: Subject | None = None
    presentation: bytes | None = None
    """Of a code that was accepted before: which showing. Its own open transaction may be taken up again."""
    reader: str = ""


@dataclass(frozen=True, slots=True)
class AmountEntered:
    """The cashier typed what is to be paid."""

    amount_fen: int


@dataclass(frozen=True, slots=True)
class InputChanged:
    """A digital input of this lane changed."""

    input: str
    active: bool


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that the profile started; ``about`` is what it was started for, so that a stale one can be told."""

    name: str
    about: bytes


@dataclass(frozen=True, slots=True)
class Actuated:
    """What an :class:`Actuate` brought. ``fault`` is empty when the device confirmed."""

    about: bytes
    fault: str = ""


@dataclass(frozen=True, slots=True)
class RecordedLate:
    """The append missed its deadline, the lane refused, and then it was committed after all."""

    about: bytes


@dataclass(frozen=True, slots=True)
class Restarted:
    """First event after a start: the state is what the last commit saved."""


_OfPeople = Presented | Rejected | AmountEntered
Event = _OfPeople | InputChanged | TimerFired | Actuated | RecordedLate | Restarted | FamilyEvent


# Effects, carried out in this order: record, actuate, show, start a timer, ask ----------------------------------------


class Record(NamedTuple):
    """Make this durable before anything that follows."""

    id: bytes
    kind: Kind
    reason: ReasonEnum
    medium: bytes | None = None
    subject: Subject | None = None
    refers_to: bytes | None = None
    public: Mapping[str, str | int | bool] = MappingProxyType({})
    marks: tuple[Mark, ...] = ()
    evidence: bytes | None = None
    """The credential's, where money, a loan or a debt follows: sealed for the platform alone."""
    money: Money | None = None
    trace: bytes = b""
    """Which rules were asked, and what each said (:mod:`profiles.trace`)."""

    def __repr__(self) -> str:
        return repr_without("evidence", self)


@dataclass(frozen=True, slots=True)
class Actuate:
    """Give a permission pulse on a named output; the answer comes back as :class:`Actuated` about ``about``."""

    output: str
    pulse_ms: int
    about: bytes


class Tone(Enum):
    """How the lane's display looks and sounds."""

    OK = "ok"
    NO = "no"
    WAIT = "wait"


class Show(NamedTuple):
    """Put a sentence before the citizen."""

    sentence: Sentence
    tone: Tone
    name: str = ""
    """The holder's masked name, for the staff beside the screen; it goes into no log."""

    def __repr__(self) -> str:
        return repr_without("name", self)


class StartTimer(NamedTuple):
    """Ask for a :class:`TimerFired`; a timer of the same name is replaced."""

    name: str
    delay_ms: int
    about: bytes


class Ask(NamedTuple):
    """Ask the platform (:mod:`profiles.questions`); ``about`` is the id of the record that says so."""

    question: Question
    deadline_ms: int
    about: bytes
    medium: bytes | None = None
    subject: Subject | None = None
    evidence: bytes | None = None

    def __repr__(self) -> str:
        return repr_without("evidence", self)


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """Tell the platform at once, beside the record."""

    reason: ReasonEnum
    about: bytes


Effect = Record | Actuate | Show | StartTimer | Ask | RaiseAlarm | FamilyEffect


class State(Frozen):
    """Base of a profile's state: frozen, saved with the record that changed it, read back after a restart; a field with
    ``exclude=True`` is not, and a change of it alone goes to no disk."""


class ProfileSettings(BaseModel):
    """Base of a profile's settings: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def wiring(self) -> Wiring:
        """What must be on the lane's board."""
        return Wiring()

    def on_full_disk(self) -> FullDisk:
        """What the lane does beyond the reserve; only a door may do otherwise."""
        return FullDisk.REFUSE


S = TypeVar("S", bound=State)


class Step(NamedTuple, Generic[S]):
    """What a profile answers to one event."""

    state: S
    effects: tuple[Effect, ...] = ()

    def led_by(self, effects: tuple[Effect, ...]) -> Step[S]:
        """The same, after these; most often there are none, and then it is the very same."""
        return Step(self.state, (*effects, *self.effects)) if effects else self


class Facts(Published, Protocol):
    """A read-only view of what the profile may know, the same for the whole of one ``handle``."""

    @property
    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""

    @property
    def local_time(self) -> datetime:
        """``least_ms`` in the terminal's time zone."""

    @property
    def clock(self) -> ClockState:
        """How far ``now_ms`` can be trusted."""

    def new_id(self) -> bytes:
        """A fresh record id (UUIDv7, 16 bytes), drawn by the agent."""

    def mark(self, scope: str, key: bytes) -> int | None:
        """The value of a durable mark that has not expired."""

    def person(self, subject: Subject) -> Person | None:
        """What the site's roster says of somebody; ``None`` if it does not know them."""

    def calendar(self, name: str) -> SchoolCalendar | None:
        """A school's calendar; ``None`` if there is none of this name."""

    def is_delivered(self) -> bool:
        """Whether the platform has acknowledged all that this terminal has recorded so far."""


class Profile(Protocol[S]):
    """One kind of scene."""

    name: ClassVar[str]
    Settings: ClassVar[type[ProfileSettings]]
    State: ClassVar[type[State]]
    wants: ClassVar[frozenset[str]]
    """Card fields that the profile needs beyond identifier and validity."""
    rules: ClassVar[type[RuleEnum]]
    """The rules that only this profile asks; the empty ``RuleEnum`` if it has none."""

    @property
    def codes(self) -> CodePolicy:
        """Which codes this lane accepts."""

    def idle(self) -> S:
        """The state of a lane that nothing has happened at."""

    def urgent(self, event: InputChanged) -> ReasonEnum | None:
        """Of what the platform must hear at once, with no record and whatever the disk does: a fire."""

    def handle(self, state: S, event: Event, facts: Facts) -> Step[S]:
        """Decide. Never raises for anything that an event can hold."""
