"""What is lent while the library's system is away: how many, how long, which items, to whom.

What was lent offline is counted in durable marks that all lanes of a terminal share, saved with the loan's record. The
marks of a person and of the terminal end ``window_days`` after their latest loan; a reader whom the library blocked is
remembered as blocked for as long as the settings say, so that an outage lends him nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Facts, Mark, Subject
from profiles.loans import Act
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.tally import count, counted, key_of
from profiles.trace import OWN, Asked, RuleEnum

_S = Sentence
DAY_MS = 86_400_000
LENT_SCOPE = "loans.offline"
ITEM_SCOPE = "loans.item"
BLOCKED_SCOPE = "loans.blocked"
_TERMINAL = b"terminal"


class Where(IntEnum):
    """What was last done with an item offline."""

    OUT = 1
    IN = 2


class LoanRule(RuleEnum):
    """What only a library asks."""

    LIBRARY = (OWN, _S("图书馆系统及时应答？", "Did the library's system answer in time?"))
    LIBRARY_AGREES = (OWN + 1, _S("图书馆系统同意？", "Does the library's system agree?"))
    NOT_BLOCKED = (OWN + 2, _S("图书馆近期没有停止此读者借书？", "Has the library not blocked this reader lately?"))
    CATEGORY = (OWN + 3, _S("此类读者可以离线借书？", "May this category of reader borrow offline?"))
    ITEM_KIND = (OWN + 4, _S("此类馆藏可以离线外借？", "May this kind of item be lent offline?"))
    ITEM_HERE = (OWN + 5, _S("此馆藏没有在离线时办理过？", "Was this item not handled offline already?"))
    PERSON = (OWN + 6, _S("未超过此人的离线册数？", "Is it within this person's number of offline loans?"))
    TERMINAL = (OWN + 7, _S("未超过本终端的离线册数？", "Is it within this terminal's number of offline loans?"))


class OfflineLoanReason(ReasonEnum):
    """Why nothing is lent or taken back now."""

    OFFLINE_BLOCKED = (
        "loan-offline-blocked",
        _S("您暂时不能借书，请到服务台咨询", "You cannot borrow at present; please ask at the service desk"),
        _S("离线；图书馆近期停止了此读者借书", "offline, and the library has blocked this reader lately"),
    )
    OFFLINE_CATEGORY = (
        "loan-offline-category",
        _S("系统暂停，请到服务台借书", "The system is down; please borrow at the service desk"),
        _S("此类读者不能离线借书", "readers of this category do not borrow offline"),
    )
    OFFLINE_ITEM_KIND = (
        "loan-offline-kind",
        _S("系统暂停，此书请到服务台借", "The system is down; please borrow this one at the service desk"),
        _S("此类馆藏不能离线外借", "items of this kind are not lent offline"),
    )
    OFFLINE_ITEM_OUT = (
        "loan-offline-out",
        _S("此书已借出，请到服务台核对", "This item is on loan already; please ask at the service desk"),
        _S("此馆藏离线时已借出", "it was lent offline already"),
    )
    OFFLINE_ITEM_IN = (
        "loan-offline-in",
        _S("此书刚刚已归还，请扫描下一册", "This item has just been returned; please scan the next"),
        _S("此馆藏离线时已归还", "it was returned offline already"),
    )
    OFFLINE_ENOUGH = (
        "loan-offline-enough",
        _S(
            "系统暂停，您已达到暂借册数，请稍后再借",
            "The system is down and you have your share; please come back later",
        ),
        _S("达到每人离线册数", "this person's number of offline loans is reached"),
    )
    OFFLINE_FULL = (
        "loan-offline-full",
        _S("设备暂时不能借还，请到服务台", "No more can be done here for now; please go to the service desk"),
        _S("达到本终端离线册数", "this terminal's number of offline loans and returns is reached"),
    )
    OFFLINE_RENEWAL = (
        "renewal-offline",
        _S("系统暂停，请稍后再续借", "The system is down; please renew later"),
        _S("离线时不续借：可能有人预约", "nothing is renewed offline: somebody may have reserved it"),
        True,
    )
    OFFLINE_RETURN = (
        "return-offline",
        _S("系统暂停，请到服务台还书", "The system is down; please return it at the service desk"),
        _S("离线时不收还书", "no returns are taken offline here"),
        True,
    )


class OfflineLoans(BaseModel):
    """Bounds of an outage; 0 lends nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: int = Field(default=30, ge=1, le=365, description="so long what is lent offline may be kept")
    per_person: int = Field(default=3, ge=0, le=100, description="items for one person")
    per_provisional: int = Field(default=1, ge=0, le=100, description="the same for a card that no register knows")
    per_terminal: int = Field(default=500, ge=0, le=5_000, description="loans and returns of this terminal together")
    window_days: int = Field(default=7, ge=1, le=60, description="how long these counts last")
    refused_prefixes: tuple[str, ...] = Field(
        default=(), max_length=32, description="numbers of items that are not lent offline, by their beginning"
    )
    refused_categories: frozenset[str] = Field(
        default=frozenset(), max_length=32, description="roster categories that do not borrow offline"
    )
    blocked_days: int = Field(
        default=30, ge=0, le=365, description="how long somebody whom the library blocked gets nothing offline"
    )
    returns: bool = Field(default=True, description="whether returns are taken offline")

    def rules(self, act: Act, item: str, subject: Subject | None, facts: Facts) -> Iterator[Asked]:
        """Whether this may be done without asking; a return has no subject."""
        reason = OfflineLoanReason
        if act is Act.RENEW:
            yield LoanRule.LIBRARY, False, reason.OFFLINE_RENEWAL
        elif act is Act.CHECKIN:
            yield LoanRule.LIBRARY, False, None if self.returns else reason.OFFLINE_RETURN
            yield LoanRule.ITEM_HERE, _where(item, facts) is not Where.IN, reason.OFFLINE_ITEM_IN
        else:
            yield LoanRule.LIBRARY, False, None
            yield from self._loan_rules(item, subject, facts)
        yield LoanRule.TERMINAL, counted(LENT_SCOPE, _TERMINAL, facts) < self.per_terminal, reason.OFFLINE_FULL

    def _loan_rules(self, item: str, subject: Subject | None, facts: Facts) -> Iterator[Asked]:
        reason = OfflineLoanReason
        if subject is not None:
            yield LoanRule.NOT_BLOCKED, not is_blocked(subject, facts), reason.OFFLINE_BLOCKED
            person = facts.person(subject)
            refused = person is not None and person.category in self.refused_categories
            yield LoanRule.CATEGORY, not refused, reason.OFFLINE_CATEGORY
        yield LoanRule.ITEM_KIND, not item.startswith(self.refused_prefixes), reason.OFFLINE_ITEM_KIND
        yield LoanRule.ITEM_HERE, _where(item, facts) is not Where.OUT, reason.OFFLINE_ITEM_OUT
        if subject is not None:
            most = self.per_provisional if subject.provisional else self.per_person
            yield LoanRule.PERSON, counted(LENT_SCOPE, key_of(subject), facts) < most, reason.OFFLINE_ENOUGH

    def marks(self, act: Act, item: str, subject: Subject | None, facts: Facts) -> tuple[Mark, ...]:
        """What is remembered of it."""
        ends_ms = facts.now_ms + self.window_days * DAY_MS
        where = Where.OUT if act is Act.CHECKOUT else Where.IN
        marks: tuple[Mark, ...] = (
            count(LENT_SCOPE, _TERMINAL, 1, ends_ms, facts),
            Mark(ITEM_SCOPE, item.encode(), int(where), ends_ms),
        )
        if act is Act.CHECKOUT and subject is not None:
            marks = (*marks, count(LENT_SCOPE, key_of(subject), 1, ends_ms, facts))
        return marks

    def blocked(self, subject: Subject, *, is_blocked: bool, facts: Facts) -> Mark:
        """What the library last said of a reader, remembered for an outage."""
        blocks = is_blocked and self.blocked_days > 0
        return Mark(
            BLOCKED_SCOPE, key_of(subject), 1 if blocks else None, facts.now_ms + self.blocked_days * DAY_MS
        )  # fmt: skip


def is_blocked(subject: Subject, facts: Facts) -> bool:
    """Whether the library blocked this reader when it last spoke of him."""
    return facts.mark(BLOCKED_SCOPE, key_of(subject)) is not None


def forgotten(item: str, facts: Facts) -> Mark:
    """The library has said itself what became of an item: what was done offline counts no more."""
    return Mark(ITEM_SCOPE, item.encode(), None, facts.now_ms)


def _where(item: str, facts: Facts) -> Where | None:
    value = facts.mark(ITEM_SCOPE, item.encode())
    return Where(value) if value in tuple(Where) else None
