"""Holds and captures: what becomes of each payment's intent. The rules, which a city's own bank keeps too:

1. an authorisation is a hold on the account, and ends by itself after `HOLD_MS`;
2. only a `payment` record of the journal captures, in the transaction that commits it, and each intent once;
3. it captures with a hold or without: what was sold offline was sold. What the balance does not cover is arrears;
4. money of which the evidence says that nobody was there, or that is large and proven by nothing, or more of one
   person's than :mod:`tools.platform.unproven` lets through, is contested: a person decides (`Holds.decide`), and until
   then nothing is captured. Where the register knows the medium as another person's than the record names, that is who
   may be decided to pay; the one who was named never does;
5. a `reversal` ends the hold or gives back what was captured; a `release` ends the hold and no more. After either, and
   after a capture, no question about the intent is answered with yes, whatever the broker delivers late;
6. the balance of an account is the sum of its ledger entries;
7. who pays what of an amount stands in its record's `funds`: a hold is on the holder's share alone, and each fund gets
   back what it paid, by a `refund` in parts and by a `reversal` whatever is left. A `refund` beyond that moves nothing;
   one of a contested payment neither, but what a person decides to capture is less by it;
8. where a question offers several of the holder's accounts, they are filled in their order by what is in each, credit
   down to its ceiling (:mod:`tools.platform.accounts`); the record says who paid in the end. A payment whose `account`
   is `credit` settles: what it takes from the other accounts goes to that one.

Rows are locked in one order, so that workers side by side do not wait for each other in a circle: when all messages of
a transaction have been read, the accounts, intents and claims of all of them (:meth:`Transaction.at_end`), of whichever
terminal. Only accounts that two workers open at the same moment are left to a second try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from agent.sync.contract import Authorise, QueryBalance
from offline_store.record import Entry, Money, Record
from profiles.api import Kind
from profiles.payers import divided, own_share_fen
from profiles.rules.accounts import Offer
from profiles.rules.funds import ACCOUNT, is_own
from tools.platform import row_locks
from tools.platform.accounts import CREDIT, DEBT, Purse, account_of, ceiling_fen
from tools.platform.evidence import DOUBTFUL, Verdict, inner, verdict_on
from tools.platform.funds import Funds, fund_owner, fund_table, is_split, shares_of
from tools.platform.held_back import CONTESTED_RETURN, holds_back
from tools.platform.intents import OPEN, REFUNDED, SETTLES, SPLIT, Intent, State, intent_of, intent_row, intent_table
from tools.platform.ledger import NOBODY, Owner, enter, is_entered, lock_accounts, row_of
from tools.platform.register import WRONG_PERSON, Register
from tools.platform.registrations import may_sell
from tools.platform.returns import Claim, Claimed, Returns, becomes, claim_row
from tools.platform.row_locks import Need
from tools.platform.store import Transaction
from tools.platform.unproven import BEYOND_BOUND, DECIDED, UNPROVEN, is_beyond

HOLD_MS = 600_000
TOO_MANY = "too-many"
"""The one no that leaves no trace: whoever asks so often would fill the database with them."""
NOT_REGISTERED = "not-registered"
MAX_PAYMENT_FEN = 100_000_000
"""What no till takes at once: a record that says more is contested, and moves nothing."""
UNPROVEN_CAP_FEN = 50_000
"""A payment beyond it that nothing proves is contested, authorised or not: a stolen terminal can ask as well."""
_UNPROVEN = frozenset({Verdict.NONE, Verdict.UNJUDGED, Verdict.STATIC})
_MOVING = frozenset(kind.value for kind in (Kind.ASKED, Kind.PAYMENT, Kind.REVERSAL, Kind.RELEASE, Kind.REFUND))
_ENDED = frozenset({State.EXPIRED, State.CAPTURED, State.CONTESTED, State.RELEASED, State.REVERSED})


@dataclass(frozen=True, slots=True)
class Held:
    """A yes: the amount is held."""

    until_ms: int
    remaining_fen: int
    accounts: Mapping[str, int] = field(default_factory=dict)
    """Who pays what, where accounts were offered."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something a person should see: an alarm's code, and which record it is about."""

    code: str
    seq: int


class Holds:
    """The money of one terminal's messages within one transaction."""

    def __init__(self, transaction: Transaction, terminal: str, now_ms: int) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._funds = Funds(transaction.connection, terminal)
        self._register = Register(transaction)
        self._returns = Returns(transaction, terminal, now_ms)
        self.terminal = terminal
        self.now_ms = now_ms

    # Questions ------------------------------------------------------------------------------------------------------

    def authorise(self, question: Authorise, objects: Callable[[Authorise, Owner], str | None]) -> Held | str:
        """A hold, or the code of the contract that says why not. Asked again, an intent gets the same answer.

        ``objects`` says what speaks against it before any money is looked at (:mod:`tools.platform.asking`).
        """
        known = self._intents([question.intent_id]).get(question.intent_id)
        owner = question.subject or NOBODY
        if known is not None and not _same(known, question, owner):
            return "intent-differs"
        if known is not None and known.state in _ENDED | {State.DECLINED}:
            return known.code if known.state is State.DECLINED else "intent-ended"
        if known is not None and known.state is State.HELD:
            return self._held(known, question) if known.holds(self.now_ms) else "intent-ended"
        shares = shares_of(question.amount_fen, dict(question.funds or ()))
        objection = self._register.objection(question.medium, question.subject, self.now_ms)
        objection = objection or objects(question, owner)
        if objection == TOO_MANY:
            return objection
        verdict = objection or self._afford(owner, question, shares)
        if isinstance(verdict, Held) and verdict.accounts:
            shares = divided(shares, verdict.accounts)
        asked = Intent(
            terminal=self.terminal,
            intent_id=question.intent_id,
            state=State.HELD if isinstance(verdict, Held) else State.DECLINED,
            amount_fen=question.amount_fen,
            merchant=question.merchant,
            business_date=question.business_date,
            namespace=owner[0],
            subject=owner[1],
            flags=SPLIT if is_split(shares) else "",
        )
        if is_split(shares):
            self._funds.write(question.intent_id, shares)
        if isinstance(verdict, Held):
            self._put(replace(asked, until_ms=verdict.until_ms, remaining_fen=verdict.remaining_fen), known)
        else:
            self._put(replace(asked, code=verdict), known)
        return verdict

    def balance(self, question: QueryBalance, objects: Callable[[QueryBalance, Owner], str | None]) -> int | str:
        """What may be spent, or the code of the contract that says why nobody can say; arrears are no till's affair."""
        owner = self._register.person(question.medium, question.subject, self.now_ms)
        if isinstance(owner, str):
            return owner
        if (objection := objects(question, owner)) is not None:
            return objection
        account = lock_accounts(self._transaction, [owner]).get(owner)
        if question.account == DEBT or (question.account and is_own(question.account)):
            return self._purse(owner).balance(question.account)
        if account is None or owner == NOBODY:
            return "account-unknown"
        if account.blocked:
            return "account-blocked"
        return max(0, int(account.balance_fen) - self._held_fen(owner))

    def _afford(self, owner: Owner, question: Authorise, shares: Mapping[str, int]) -> Held | str:
        """Whoever stands behind another fund has promised to pay; the holder's share must be there.

        Where no accounts are offered the question names them itself: each pays its share and no more.
        """
        others = {fund_owner(fund, owner, question.merchant) for fund in shares if not is_own(fund)}
        if owner == NOBODY:
            return "account-unknown"
        if any(account.blocked for account in lock_accounts(self._transaction, others).values()):
            return "account-blocked"
        named = [Offer(fund, fen) for fund, fen in shares.items() if is_own(fund)] or [Offer(ACCOUNT, 0)]
        offers = named if question.accounts is None else [Offer(*offer) for offer in question.accounts]
        found = self._purse(owner).divide(own_share_fen(question.amount_fen, shares), offers)
        if isinstance(found, str):
            return found
        divided_fen, remaining_fen = found
        return Held(self.now_ms + HOLD_MS, remaining_fen, {} if question.accounts is None else divided_fen)

    def _held(self, intent: Intent, question: Authorise) -> Held:
        """The same yes once more."""
        shares = self._left(intent) if question.accounts is not None else {}
        own = {fund: fen for fund, fen in shares.items() if is_own(fund)}
        return Held(intent.until_ms, intent.remaining_fen, own)

    def _purse(self, owner: Owner) -> Purse:
        return Purse(self._transaction, owner, lambda kind: self._held_fen(owner, kind))

    def _held_fen(self, owner: Owner, kind: str = ACCOUNT) -> int:
        """What live holds take of an owner's account of one kind: of the plain one, all that is no other fund's."""
        columns, others = intent_table.c, fund_table.c
        live = sa.and_(
            columns.namespace == owner[0],
            columns.subject == owner[1],
            columns.state == State.HELD.value,
            columns.until_ms > self.now_ms,
        )
        is_this = others.fund != ACCOUNT if kind == ACCOUNT else others.fund == kind
        shares_fen = (
            sa.select(sa.func.coalesce(sa.func.sum(others.amount_fen), 0))
            .join(intent_table, sa.and_(columns.terminal == others.terminal, columns.intent_id == others.intent_id))
            .where(live, is_this)
        )
        if kind != ACCOUNT:
            return int(self._connection.execute(shares_fen).scalar_one())
        all_fen = sa.select(sa.func.coalesce(sa.func.sum(columns.amount_fen), 0)).where(live)
        held_fen = int(self._connection.execute(all_fen).scalar_one())
        return held_fen - int(self._connection.execute(shares_fen).scalar_one()) if held_fen else 0

    # The journal ----------------------------------------------------------------------------------------------------

    def needs(self, records: Iterable[Record]) -> set[Need]:
        """The rows that these records may change, to be locked before :meth:`settle`; none if they move no money."""
        moving = _moving(records)
        if not moving:
            return set()
        ids = {_money(record.entry).intent_id for record in moving}
        intents = self._intents(ids, lock=False)
        needs: set[Need] = {intent_row(self.terminal, intent_id) for intent_id in ids}
        owners = {record.entry.subject or NOBODY for record in moving} | {intent.owner for intent in intents.values()}
        wanted = set(owners)
        for record in moving:
            money = _money(record.entry)
            known = intents.get(money.intent_id)
            payers = {record.entry.subject or NOBODY} | ({known.owner} if known is not None else set())
            kinds = {*money.funds, *({CREDIT} if money.account == CREDIT else ())}
            wanted |= {fund_owner(fund, payer, money.merchant) for fund in kinds for payer in payers}
        for claim in self._returns.known(ids).values():
            needs |= {claim_row(self.terminal, claim.return_id), intent_row(claim.of_terminal, claim.of_intent)}
            for sale in self._seller(claim)._intents([claim.of_intent], lock=False).values():
                wanted |= {sale.owner, *(fund_owner(fund, sale.owner, sale.merchant) for fund in claim.funds)}
                wanted.add(fund_owner(CREDIT, sale.owner, sale.merchant))
        return needs | set(map(row_of, wanted))

    def settle(self, records: Iterable[Record], *, decided: bool = False) -> list[Complaint]:
        """Follow what was just committed, in its order; ``decided``: a person let it give back what it says."""
        moving = _moving(records)
        if not moving:
            return []
        intents = self._intents([_money(record.entry).intent_id for record in moving])
        claims = self._returns.known(_money(record.entry).intent_id for record in moving)
        complaints: list[Complaint] = []
        for record in moving:
            intent_id = _money(record.entry).intent_id
            claim, known = claims.get(intent_id), intents.get(intent_id)
            if not decided and holds_back(self._transaction, self.terminal, record, claim or known, self.now_ms):
                complaints.append(Complaint(CONTESTED_RETURN, record.seq))
                continue
            if claim is not None:
                claims[intent_id], code = self._return(claim, record.entry)
                intents.update(self._intents(intents.keys() & {claim.of_intent}))  # sold by another lane of this one
                complaints += [] if code is None else [Complaint(code, record.seq)]
                continue
            after, code = self._follow(known, record)
            if code is not None:
                complaints.append(Complaint(code, record.seq))
            if after != known:
                intents[intent_id] = self._put(after, known)
        return complaints

    def _return(self, claim: Claim, entry: Entry) -> tuple[Claim, str | None]:
        """What a record gives back of another terminal's sale, or that it gives the claim up."""
        state, code = becomes(claim, entry)
        if state is claim.state:
            return claim, code
        if state is Claimed.DONE and not self._seller(claim).return_to(claim.of_intent, claim.funds, entry.id):
            return claim, "refund-differs"
        self._returns.end(claim, state)
        return replace(claim, state=state), code

    def _seller(self, claim: Claim) -> Holds:
        return Holds(self._transaction, claim.of_terminal, self.now_ms)

    def knows(self, intent_id: bytes) -> bool:
        """Whether a question or a record has named this intent."""
        return bool(self._intents([intent_id]))

    def left(self, intent_id: bytes) -> tuple[Intent, dict[str, int]] | None:
        """A captured payment, and what of each share has not gone back; ``None`` for any other intent. It is locked."""
        known = self._intents([intent_id]).get(intent_id)
        return (known, self._left(known)) if known is not None and known.state is State.CAPTURED else None

    def return_to(self, intent_id: bytes, back: Mapping[str, int], record_id: bytes) -> bool:
        """What another terminal gave back of a payment; ``False``, and nothing moves, where so much is not left."""
        known = self._intents([intent_id]).get(intent_id)
        if known is None or known.state is not State.CAPTURED or not self._give_back(known, back, record_id):
            return False
        self._put(replace(known, flags=known.flagged(REFUNDED)), known)
        return True

    def decide(self, intent_id: bytes, *, capture: bool) -> bool:
        """Do what a person decided on a contested payment; whether it was one."""
        for found in self._intents([intent_id], lock=False).values():
            payers = {found.owner, *(self._owner(fund, found) for fund in (*self._left(found), CREDIT))}
            row_locks.lock(self._connection, {intent_row(self.terminal, intent_id), *map(row_of, payers)})
        known = self._intents([intent_id]).get(intent_id)
        if known is None or known.state is not State.CONTESTED or known.record_id is None:
            return False
        flags = [DECIDED, *(self._capture(known, known.record_id) if capture else ())]
        state = State.CAPTURED if capture else State.RELEASED
        self._put(replace(known, state=state, flags=known.flagged(*flags)), known)
        return True

    def _follow(self, known: Intent | None, record: Record) -> tuple[Intent, str | None]:
        """The intent after one record, and what is wrong with that."""
        before = known or self._told_by(record.entry)
        match Kind(record.entry.kind):
            case Kind.PAYMENT:
                return self._pay(before, record)
            case Kind.REVERSAL:
                return self._reverse(before, record.entry)
            case Kind.REFUND:
                return self._refund(before, record.entry)
            case Kind.RELEASE if before.state in OPEN:
                return replace(before, state=State.RELEASED), None
            case _:
                return before, None

    def _pay(self, intent: Intent, record: Record) -> tuple[Intent, str | None]:
        entry, amount_fen = record.entry, _money(record.entry).amount_fen
        if intent.record_id == entry.id:
            return intent, None  # a rescued journal brings it a second time
        if intent.state in {State.CAPTURED, State.CONTESTED}:
            return replace(intent, flags=intent.flagged("repeated")), "payment-repeated"
        if intent.state in {State.RELEASED, State.REVERSED}:
            return replace(intent, flags=intent.flagged("paid-after-reversal")), "payment-after-reversal"
        if amount_fen <= 0:
            return replace(intent, flags=intent.flagged("amount-differs")), "payment-differs"
        owner = entry.subject or NOBODY
        verdict = verdict_on(self._transaction, self.terminal, record)
        flags, code = self._flags_of(intent, entry, owner)
        if verdict in _UNPROVEN:
            flags.append(UNPROVEN)
        if not may_sell(self._transaction, self.terminal, _money(entry)):
            flags.append(NOT_REGISTERED)
        shares = shares_of(amount_fen, _money(entry).funds)
        if is_split(shares):
            flags.append(SPLIT)
        if _money(entry).account == CREDIT:
            flags.append(SETTLES)
        if is_split(shares) or intent.has_shares:
            self._funds.write(intent.intent_id, shares)
        if verdict in DOUBTFUL and self._names_another(entry):
            flags.append(WRONG_PERSON)
            owner = self._register.payer(entry.medium)  # whoever captures it takes nothing from who was named
        paid = replace(
            intent,
            amount_fen=amount_fen,
            namespace=owner[0],
            subject=owner[1],
            record_id=entry.id,
            flags=intent.flagged(*flags),
        )
        unproven_fen = amount_fen if verdict in _UNPROVEN else 0
        is_large = unproven_fen > UNPROVEN_CAP_FEN or amount_fen > MAX_PAYMENT_FEN
        if is_large or verdict in DOUBTFUL or NOT_REGISTERED in flags:
            return replace(paid, state=State.CONTESTED), "payment-contested"
        date = _money(entry).business_date
        if verdict in _UNPROVEN and is_beyond(self._transaction, owner, date, amount_fen, self.now_ms):
            return replace(paid, state=State.CONTESTED, flags=paid.flagged(BEYOND_BOUND)), "payment-unproven"
        return replace(paid, state=State.CAPTURED, flags=paid.flagged(*self._capture(paid, entry.id))), code

    def _names_another(self, entry: Entry) -> bool:
        return self._register.objection(entry.medium, entry.subject, entry.time_ms) == WRONG_PERSON

    def _flags_of(self, intent: Intent, entry: Entry, owner: Owner) -> tuple[list[str], str | None]:
        flags: list[str] = []
        code = None
        if not intent.holds(self.now_ms):
            flags.append("no-hold")
        if intent.state is State.DECLINED:
            flags.append("declined")
            code = "payment-declined"
        elif (intent.amount_fen, intent.owner) != (_money(entry).amount_fen, owner):
            flags.append("amount-differs")
            code = "payment-differs"
        own = filter(is_own, shares_of(_money(entry).amount_fen, _money(entry).funds))
        payers = {owner, *(account_of(owner, kind) for kind in own)}
        if owner == NOBODY or not lock_accounts(self._transaction, payers):
            flags.append("account-unknown")
        return flags, code

    def _reverse(self, intent: Intent, entry: Entry) -> tuple[Intent, str | None]:
        if intent.state is not State.CAPTURED:
            ended = intent.state in {State.RELEASED, State.REVERSED}
            return (intent if ended else replace(intent, state=State.RELEASED)), None
        left = {fund: fen for fund, fen in self._left(intent).items() if fen}
        self._give_back(intent, left, entry.id)
        differs = _money(entry).amount_fen != -sum(left.values())
        return replace(intent, state=State.REVERSED), "reversal-differs" if differs else None

    def _refund(self, intent: Intent, entry: Entry) -> tuple[Intent, str | None]:
        """A part of a captured payment goes back, to whom it came from."""
        money = _money(entry)
        back = {fund: -fen for fund, fen in money.funds.items()} or {ACCOUNT: -money.amount_fen}
        if any(is_entered(self._transaction, self._owner(fund, intent), entry.id) for fund in back):
            return intent, None  # a rescued journal brings it a second time
        is_captured = intent.state is State.CAPTURED
        if not (is_captured or intent.state is State.CONTESTED):
            return replace(intent, flags=intent.flagged("refund-differs")), "refund-differs"
        if not self._give_back(intent, back, entry.id, moved=is_captured):
            return replace(intent, flags=intent.flagged("refund-differs")), "refund-differs"
        return replace(intent, flags=intent.flagged(REFUNDED)), None

    def _told_by(self, entry: Entry) -> Intent:
        """An intent that nobody asked about here: as its first record has it."""
        money, owner = _money(entry), entry.subject or NOBODY
        return Intent(
            terminal=self.terminal,
            intent_id=money.intent_id,
            state=State.ASKED,
            amount_fen=abs(money.amount_fen),
            merchant=money.merchant,
            business_date=money.business_date,
            namespace=owner[0],
            subject=owner[1],
        )

    # Rows -----------------------------------------------------------------------------------------------------------

    def _capture(self, intent: Intent, record_id: bytes) -> list[str]:
        """Every share from its account; as flags, what the holder's accounts did not cover."""
        flags: list[str] = []
        shares = self._left(intent)
        for fund, fen in shares.items():
            after_fen = self._move(intent, self._owner(fund, intent), -fen, record_id)
            if fund == CREDIT and after_fen < -ceiling_fen(self._transaction, intent.owner):
                flags.append("over-ceiling")
            elif fund != CREDIT and is_own(fund) and after_fen < 0:
                flags.append("arrears")
        self._settle_debt(intent, own_share_fen(sum(shares.values()), shares), record_id)
        return flags

    def _settle_debt(self, intent: Intent, own_fen: int, record_id: bytes) -> None:
        """What a settlement took from the holder's own accounts pays off what is owed; a negative amount owes it again.

        What somebody else pays a part of, such as meals, is never the holder's debt.
        """
        if intent.settles and own_fen:
            self._move(intent, account_of(intent.owner, CREDIT), own_fen, record_id)

    def _give_back(self, intent: Intent, back: Mapping[str, int], record_id: bytes, *, moved: bool = True) -> bool:
        """Shares to the accounts that they came from; ``False``, and nothing moves, where one has not so much left.

        What was never ``moved`` is only noted, by an entry of nothing: so much less is captured then.
        """
        if not self._funds.give_back(intent.intent_id, intent.amount_fen, back):
            return False
        for fund, fen in back.items():
            self._move(intent, self._owner(fund, intent), fen if moved else 0, record_id)
        if moved:
            self._settle_debt(intent, -own_share_fen(sum(back.values()), back), record_id)
        return True

    def _left(self, intent: Intent) -> dict[str, int]:
        """What of each share has not gone back."""
        if not intent.has_shares:
            return {ACCOUNT: intent.amount_fen}
        shares = self._funds.read(intent.intent_id, intent.amount_fen)
        return {fund: share.left_fen for fund, share in shares.items()}

    def _owner(self, fund: str, intent: Intent) -> Owner:
        return fund_owner(fund, intent.owner, intent.merchant)

    def _move(self, intent: Intent, owner: Owner, amount_fen: int, record_id: bytes) -> int:
        """One entry of the ledger; the balance after it."""
        return enter(
            self._transaction,
            owner,
            amount_fen,
            self.now_ms,
            terminal=self.terminal,
            intent_id=intent.intent_id,
            record_id=record_id,
        )

    def _intents(self, ids: Iterable[bytes], *, lock: bool = True) -> dict[bytes, Intent]:
        columns = intent_table.c
        query = sa.select(intent_table).where(columns.terminal == self.terminal, columns.intent_id.in_(set(ids)))
        query = query.order_by(columns.intent_id)
        rows = self._connection.execute(query.with_for_update() if lock else query)
        return {row.intent_id: intent_of(row) for row in rows}

    def _put(self, intent: Intent, known: Intent | None) -> Intent:
        changed = replace(intent, changed_ms=self.now_ms)
        values = {column.name: getattr(changed, column.name) for column in intent_table.columns}
        columns = intent_table.c
        if known is None:
            self._connection.execute(sa.insert(intent_table).values(values))
        else:
            same = sa.and_(columns.terminal == intent.terminal, columns.intent_id == intent.intent_id)
            self._connection.execute(sa.update(intent_table).where(same).values(values))
        return changed


def _same(intent: Intent, question: Authorise, owner: Owner) -> bool:
    asked = (question.amount_fen, question.merchant, owner)
    return (intent.amount_fen, intent.merchant, intent.owner) == asked


def _moving(records: Iterable[Record]) -> list[Record]:
    return [record for record in map(inner, records) if record.entry.money and record.entry.kind in _MOVING]


def _money(entry: Entry) -> Money:
    if entry.money is None:
        raise ValueError("only records that move money are followed")
    return entry.money
