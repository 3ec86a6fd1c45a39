"""The library's system as the terminal uses it: demands of profiles and late news in, their answers out.

What it says in words is never shown, logged or kept: it may name a reader. From its fields a closed set of causes is
made, and the profile has the sentences.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Protocol, Self, TypeVar

from agent.sip2.errors import Sip2Error, Sip2Fault
from agent.sip2.fields import read_date
from agent.sip2.link import Sip2Link
from agent.sip2.messages import (
    CHINESE,
    AcsStatus,
    Checkin,
    CheckinResponse,
    Checkout,
    CheckoutResponse,
    EndPatronSession,
    EndSessionResponse,
    ItemInformation,
    ItemInformationResponse,
    Login,
    LoginResponse,
    Message,
    PatronInformation,
    PatronInformationResponse,
    Renew,
    RenewResponse,
    ScStatus,
)
from agent.sip2.settings import LibraryConfig
from profiles.loans import (
    Account,
    Act,
    Block,
    Cause,
    ClosePatron,
    Demand,
    Done,
    Handle,
    LibraryAnswer,
    NotDone,
    OpenPatron,
)

_CHARGED_ITEMS = "  Y"
"""The summary that lists what a reader has."""
_DENIED, _CARD_LOST, _TOO_MANY, _OVERDUE, _FINES, _FEES = 0, 4, 5, 6, 10, 11
"""Places of the patron status."""
_ON_LOAN = frozenset({"02", "04", "05", "07", "11"})
_CAUSES = {
    "01": Cause.ITEM_NOT_LENDABLE,
    "02": Cause.ITEM_NOT_LENDABLE,
    "04": Cause.ITEM_AWAY,
    "05": Cause.ITEM_AWAY,
    "06": Cause.ITEM_NOT_LENDABLE,
    "07": Cause.ITEM_AWAY,
    "08": Cause.ITEM_RESERVED,
    "10": Cause.ITEM_RESERVED,
    "11": Cause.ITEM_AWAY,
    "12": Cause.ITEM_LOST,
    "13": Cause.ITEM_LOST,
}
"""Circulation status (3M SIP 2.00) to why an item is not lent."""
_DATE_ALONE = re.compile(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?!\d)", re.ASCII)
_LATEST_DUE_MS = 4_102_444_800_000
"""The year 2100. A date at either end of the calendar is on no calendar in another time zone."""
_AMOUNT = re.compile(r"(\d{1,7})(?:\.(\d{1,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class LateNews:
    """What happened with an item while the system was away, or may have. A return has no reader."""

    act: Act
    item: str
    patron: str | None
    at_ms: int
    due_ms: int | None


M = TypeVar("M", bound=Message)


class Link(Protocol):
    """What a :class:`~agent.sip2.link.Sip2Link` does."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be asked."""

    async def ask(self, question: Message, answer: type[M], deadline_s: float) -> M:
        """Ask and wait for the answer. Raises :class:`Sip2Error`; then the connection has ended."""

    def close(self) -> None:
        """End the connection."""

    async def wait_closed(self) -> None:
        """Wait until it has ended."""


class LibrarySystem:
    """A connection that is logged in. Every call raises :class:`Sip2Error`; then it is of no more use."""

    def __init__(self, link: Link, settings: LibraryConfig, zone: tzinfo) -> None:
        self._link = link
        self._settings = settings
        self._zone = zone
        self._patience_s = settings.deadline_ms / 1000

    @classmethod
    async def open(cls, settings: LibraryConfig, zone: tzinfo) -> Self:
        """Connect, log in, and hear that the system works."""
        link = await Sip2Link.open(
            settings.place(),
            settings.encoding,
            settings.deadline_ms / 1000,
            checked=settings.error_detection,
            tls=settings.tls(),
        )
        return await cls(link, settings, zone).begin()

    async def begin(self) -> Self:
        """Log in and hear that the system works; itself."""
        try:
            await self._log_in()
            await self.status()
        except BaseException:
            self.close()
            raise
        return self

    @property
    def is_open(self) -> bool:
        """Whether no question has ended the connection."""
        return self._link.is_open

    def close(self) -> None:
        """End the connection."""
        self._link.close()

    async def wait_closed(self) -> None:
        """Wait until it has ended."""
        await self._link.wait_closed()

    async def _log_in(self) -> None:
        settings = self._settings
        if settings.user is None:
            return
        login = Login("0", "0", settings.user, settings.password(), settings.location or None)
        if not (await self._link.ask(login, LoginResponse, self._patience_s)).ok:
            raise Sip2Error(Sip2Fault.REFUSED)

    async def status(self) -> None:
        """Ask whether the system works. Raises ``Sip2Error`` if it says that it does not lend or take back."""
        status = await self._link.ask(ScStatus(), AcsStatus, self._patience_s)
        if not (status.on_line and status.checkout_ok and status.checkin_ok):
            self._link.close()
            raise Sip2Error(Sip2Fault.OFF_LINE)

    # While somebody waits -------------------------------------------------------------------------------------------

    async def answer(self, demand: Demand, now_ms: int, ends_s: float) -> LibraryAnswer | None:
        """What the system says, until ``ends_s`` of the event loop's time; nothing of a reader who has left."""
        match demand:
            case OpenPatron(patron):
                return _account(await self._patron(patron, now_ms, _left_s(ends_s)), self._settings.currency)
            case ClosePatron(patron):
                ended = EndPatronSession(self._date(now_ms), self._settings.institution, patron)
                await self._link.ask(ended, EndSessionResponse, _left_s(ends_s))
                return None
            case Handle(act, item, patron, at_ms):
                return await self._handle(LateNews(act, item, patron, at_ms, None), ends_s)

    async def _handle(self, what: LateNews, ends_s: float) -> Done | NotDone:
        done = await self._tell(what, _left_s(ends_s), afterwards=False)
        if done is not None:
            return done
        if what.act is Act.RENEW:
            return NotDone(Cause.NOT_RENEWABLE)
        try:
            item = await self._item(what.item, what.at_ms, _left_s(ends_s))
        except Sip2Error:  # the refusal stands, only its cause stays unknown
            return NotDone(Cause.OTHER)
        known = bool(item.title)
        return NotDone(_CAUSES.get(item.circulation_status, Cause.OTHER) if known else Cause.ITEM_UNKNOWN)

    # Afterwards -----------------------------------------------------------------------------------------------------

    async def knows(self, news: LateNews, now_ms: int) -> bool:
        """Whether the system has it as if it had been told: lent to this reader, or not on loan."""
        if news.act is Act.CHECKIN or news.patron is None:
            item = await self._item(news.item, now_ms, self._patience_s)
            return item.circulation_status not in _ON_LOAN
        return news.item in (await self._patron(news.patron, now_ms, self._patience_s)).charged_items

    async def tell(self, news: LateNews) -> bool:
        """Tell it with its original dates and ``no block``; whether the system takes it."""
        return await self._tell(news, self._patience_s, afterwards=True) is not None

    async def withdraw(self, news: LateNews, now_ms: int) -> bool:
        """Take back a loan of which nothing came (BI); whether the system takes it."""
        settings = self._settings
        back = Checkin(
            no_block=True,
            transaction_date=self._date(now_ms),
            return_date=self._date(now_ms),
            current_location=settings.location,
            institution=settings.institution,
            item=news.item,
            cancel="Y",
        )
        return (await self._link.ask(back, CheckinResponse, self._patience_s)).ok

    async def _tell(self, what: LateNews, patience_s: float, *, afterwards: bool) -> Done | None:
        """Checkout, checkin or renewal; ``None`` if the system refuses."""
        settings, date = self._settings, self._date(what.at_ms)
        due = None if what.due_ms is None else self._date(what.due_ms)
        patron = what.patron or ""
        answer: CheckoutResponse | CheckinResponse | RenewResponse
        match what.act:
            case Act.CHECKOUT:
                # Afterwards nothing can be asked of the reader any more: if he had the item already, it is renewed.
                out = Checkout(afterwards, afterwards, date, due, settings.institution, patron, what.item)
                answer = await self._link.ask(out, CheckoutResponse, patience_s)
            case Act.CHECKIN:
                back = Checkin(afterwards, date, date, settings.location, settings.institution, what.item)
                answer = await self._link.ask(back, CheckinResponse, patience_s)
            case Act.RENEW:
                again = Renew(False, afterwards, date, due, settings.institution, patron, what.item)
                answer = await self._link.ask(again, RenewResponse, patience_s)
        if answer.item != what.item:
            self._link.close()
            raise Sip2Error(Sip2Fault.UNEXPECTED)
        if not answer.ok:
            return None
        if isinstance(answer, CheckinResponse):
            return Done(resensitise=answer.resensitize, set_aside=answer.alert)
        return Done(due_ms(answer.due, self._zone), answer.desensitize)

    async def _patron(self, patron: str, now_ms: int, patience_s: float) -> PatronInformationResponse:
        question = PatronInformation(CHINESE, self._date(now_ms), _CHARGED_ITEMS, self._settings.institution, patron)
        answer = await self._link.ask(question, PatronInformationResponse, patience_s)
        if answer.patron != patron:
            self._link.close()
            raise Sip2Error(Sip2Fault.UNEXPECTED)
        return answer

    async def _item(self, item: str, now_ms: int, patience_s: float) -> ItemInformationResponse:
        question = ItemInformation(self._date(now_ms), self._settings.institution, item)
        answer = await self._link.ask(question, ItemInformationResponse, patience_s)
        if answer.item != item:
            self._link.close()
            raise Sip2Error(Sip2Fault.UNEXPECTED)
        return answer

    def _date(self, at_ms: int) -> datetime:
        """Local time without a zone, as the protocol has it."""
        return datetime.fromtimestamp(at_ms / 1000, self._zone).replace(tzinfo=None)


def _left_s(ends_s: float) -> float:
    return max(0.0, ends_s - asyncio.get_running_loop().time())


def _account(answer: PatronInformationResponse, currency: str) -> Account:
    return Account(
        charged=frozenset(answer.charged_items),
        charged_count=answer.charged_count or 0,
        overdue_count=answer.overdue_count or 0,
        fine_fen=fen(answer.fee_amount) if answer.currency in (None, "", currency) else None,
        block=_block(answer),
    )


def _block(answer: PatronInformationResponse) -> Block | None:
    """Why the reader may not borrow: first whether at all, then the first cause that the system names."""
    if answer.valid_patron == "N":
        return Block.UNKNOWN
    places = {place for place, mark in enumerate(answer.status) if mark == "Y"}
    for place, block in (
        (_CARD_LOST, Block.CARD_LOST),
        (_OVERDUE, Block.OVERDUE),
        (_FINES, Block.FINES),
        (_FEES, Block.FINES),
        (_TOO_MANY, Block.TOO_MANY),
    ):
        if place in places and (_DENIED in places or place in (_CARD_LOST, _TOO_MANY)):
            return block
    return Block.DENIED if _DENIED in places else None


def fen(amount: str | None) -> int | None:
    """An amount with a decimal point; ``None`` for what is none."""
    found = _AMOUNT.fullmatch(amount or "")
    return None if found is None else int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


def due_ms(text: str | None, zone: tzinfo) -> int | None:
    """A due date as libraries write it: of the protocol's form, or year, month and day; else ``None``.

    So is one that nobody means: a screen could not say it.
    """
    if text is None:
        return None
    moment = read_date(text)
    if moment is None:
        found = _DATE_ALONE.match(text)
        if found is None:
            return None
        try:
            moment = datetime(int(found[1]), int(found[2]), int(found[3]), 23, 59, 59, tzinfo=zone)
        except ValueError:
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    at_ms = round(moment.timestamp() * 1000)
    return at_ms if 0 <= at_ms < _LATEST_DUE_MS else None
