"""The platform's money: holds, captures and what goes back, each in the transaction of the message that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

from agent.cose import Es256Signer
from agent.sync.contract import Authorised
from tests.tools.platform.tills import LI, REGISTRATION, Bank, Payment, Till
from tools.platform.intents import State
from tools.platform.ledger import ledger_table
from tools.platform.store import Store, sqlite_url

PAID_IN_FEN = 10_000
PAID, UNDONE, GIVEN_UP, OFFLINE = 1_250, 300, 700, 40
"""Amounts: of what is paid, paid and taken back, asked and given up, sold while nobody could be asked."""


class Capturing:
    """A till's four payments, each asked and told again from the beginning after every death."""

    def __init__(self) -> None:
        self._signer = Es256Signer(ec.derive_private_key(9, ec.SECP256R1()))

    def prepare(self, directory: Path) -> None:
        """A holder with money, and a till that is registered."""
        with self._bank(directory) as bank:
            bank.register("till-1", REGISTRATION)
            bank.pay_in(LI, PAID_IN_FEN)

    def run(self, directory: Path, say: Callable[[int], object]) -> None:
        """The same questions and the same records, whatever was committed of them."""
        with self._bank(directory) as bank:
            till = Till(bank, registration=None)
            till.greet()
            for amount_fen, ends in self._story(till):
                payment = till.ask(LI, amount_fen)
                till.send()
                if amount_fen != OFFLINE:
                    is_yes = isinstance(till.put(payment.question), Authorised)
                    # What has ended is never said yes to again.
                    assert is_yes is (bank.intents()[payment.intent_id].state is State.HELD)
                for end in ends:
                    end(payment)
                    say(till.send())

    @staticmethod
    def _story(till: Till) -> list[tuple[int, tuple[Callable[[Payment], bytes], ...]]]:
        return [
            (PAID, (till.pay,)),
            (UNDONE, (till.pay, till.reverse)),
            (GIVEN_UP, (till.reverse,)),
            (OFFLINE, (till.pay,)),
        ]

    def after_death(self, directory: Path, said: list[int]) -> None:
        """The account has what was paid in less what is captured: no half of a payment."""
        with self._bank(directory) as bank:
            states = {intent.amount_fen: intent.state for intent in bank.intents().values()}
            captured_fen = sum(amount for amount, state in states.items() if state is State.CAPTURED)
            assert bank.balance(LI) == PAID_IN_FEN - captured_fen == self._entered(bank)
            assert not said or states[PAID] is State.CAPTURED

    def after_the_end(self, directory: Path, said: list[int]) -> None:
        """Each payment once, what was given up never, and nothing for a person to look at."""
        with self._bank(directory) as bank:
            assert {intent.amount_fen: intent.state for intent in bank.intents().values()} == {
                PAID: State.CAPTURED,
                UNDONE: State.REVERSED,
                GIVEN_UP: State.RELEASED,
                OFFLINE: State.CAPTURED,
            }
            assert bank.balance(LI) == PAID_IN_FEN - PAID - OFFLINE == self._entered(bank)
            assert not bank.alarms()

    def _entered(self, bank: Bank) -> int:
        with bank.store.transaction() as transaction:
            return int(transaction.connection.execute(sa.select(sa.func.sum(ledger_table.c.amount_fen))).scalar_one())

    @contextmanager
    def _bank(self, directory: Path) -> Iterator[Bank]:
        store = Store.open(sqlite_url(directory / "platform.db"))
        try:
            yield Bank(store, self._signer)
        finally:
            store.close()
