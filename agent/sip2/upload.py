"""What the library's system is told afterwards: each row once, in order, over any crash and any break of the line.

SIP2 knows no transaction ids. So a try is counted on the disk before it is sent, and whatever may have arrived before
is looked up first: the system has the item on this reader's account, or it has it no longer. A row is settled in the
transaction of a record that says what became of it; what is left to a person raises an alarm as well. So is a row over
which a system that is there, and logs in, breaks off again and again (:data:`MAX_BREAKS`): it would hold up the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from agent.clock import Clock, RecordIds
from agent.disk_waits import DiskHangs, durable_at_last
from agent.logs import log
from agent.sip2.errors import Sip2Error
from agent.sip2.reasons import NEEDS_A_PERSON, UploadReason
from agent.sip2.system import LateNews, LibrarySystem
from agent.words import tell
from offline_store.journal import Append
from offline_store.loans import Loan, LoanSettled, LoanTried
from offline_store.record import Entry
from offline_store.writer import JournalWriter
from profiles.api import Kind
from profiles.loans import Act, Mode
from profiles.reasons import ReasonEnum

PORTION = 64
MAX_BREAKS = 8
"""Running, over one row; for each row that was given up since one got through, twice as many: then it is no one row."""
MAX_DOUBLINGS = 8


class Uploader:
    """Tells the library what waits for it."""

    def __init__(
        self,
        read: Callable[[int], Awaitable[list[Loan]]],
        writer: JournalWriter,
        clock: Clock,
        ids: RecordIds,
        recorded: Callable[[int], None],
        alarm: Callable[[str, ReasonEnum, bytes], None],
    ) -> None:
        """``read`` gives so many of the rows that wait, the oldest first (:func:`offline_store.loans.waiting`)."""
        self._read = read
        self._writer = writer
        self._clock = clock
        self._ids = ids
        self._recorded = recorded
        self._alarm = alarm
        self._breaking = (b"", 0)
        """The row over which the line broke last, and how many times running."""
        self._given_up = 0
        """How many rows since one got through."""

    async def upload(self, system: LibrarySystem) -> int:
        """Tell a portion of what waits; how many were settled. Raises ``Sip2Error`` and ``StoreError``."""
        rows = await self._read(PORTION)
        for row in rows:
            await self._settle(row, await self._reason(row, system))
        return len(rows)

    async def _reason(self, row: Loan, system: LibrarySystem) -> UploadReason:
        breaking, times = self._breaking
        if breaking == row.id and times >= MAX_BREAKS << min(self._given_up, MAX_DOUBLINGS):
            self._given_up += 1
            return UploadReason.UNANSWERED
        try:
            reason = await self._told(row, system)
        except Sip2Error:
            self._breaking = (row.id, times + 1 if breaking == row.id else 1)
            raise
        self._given_up = 0
        return reason

    async def _told(self, row: Loan, system: LibrarySystem) -> UploadReason:
        news = LateNews(Act(row.act), row.item, row.patron, row.at_ms, row.due_ms)
        mode = Mode(row.mode)
        if mode is Mode.WITHDRAW:
            if not await system.knows(news, self._clock.now_ms()):
                return UploadReason.WITHDRAWN if row.tries else UploadReason.VOID
            await self._commit(Append(loans=(LoanTried(row.id),)))
            done = await system.withdraw(news, self._clock.now_ms())
            return UploadReason.WITHDRAWN if done else UploadReason.REFUSED
        doubtful = row.tries > 0 or mode is not Mode.SEND
        known = doubtful and await system.knows(news, self._clock.now_ms())
        if mode is Mode.LOOK:
            return UploadReason.STANDS if known else UploadReason.VOID
        if known:
            return UploadReason.KNOWN
        await self._commit(Append(loans=(LoanTried(row.id),)))
        return UploadReason.TOLD if await system.tell(news) else UploadReason.REFUSED

    async def _settle(self, row: Loan, reason: UploadReason) -> None:
        now_ms = self._clock.now_ms()
        entry = Entry(
            id=self._ids.new(now_ms),
            kind=Kind.OUTCOME.value,
            time_ms=now_ms,
            time_quality=self._clock.state().value,
            monotonic_ms=self._clock.monotonic_ms(),
            lane=row.lane,
            profile=row.profile,
            reason=reason.code,
            refers_to=row.id,
        )
        needed = reason in NEEDS_A_PERSON
        settled = LoanSettled(row.id, reason.code, now_ms, open_to_people=needed)
        await self._commit(Append((entry,), loans=(settled,), vital=True))
        if needed:
            self._alarm(row.lane, reason, entry.id)

    async def _commit(self, append: Append) -> None:
        appended = await durable_at_last(self._writer.submit(append), _say)
        for record in appended.records:
            self._recorded(record.seq)


def _say(error: DiskHangs) -> None:
    log().error("what the library was told could not be recorded", detail=tell(error))
