"""Two workers whose terminals' people cross: neither waits for the other in a circle, so nothing is done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa

from agent.cose import Es256Signer
from agent.sync.contract import Address, Channel, QueryBalance
from tests.tools.platform.chains import batch
from tests.tools.platform.test_money_together import at_once
from tests.tools.platform.tills import LI, WANG, Bank, Till
from tools.platform.ingest import Ingest, Message
from tools.platform.intents import State
from tools.platform.ledger import Owner
from tools.platform.store import Store

ROUNDS = 60
PRICE_FEN = 1


def deadlocks(url: str) -> int:
    """How many the server has broken in this database; each backend has told its own when it ended."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            query = sa.text("select deadlocks from pg_stat_database where datname = current_database()")
            return int(connection.execute(query).scalar_one())
    finally:
        engine.dispose()


def pay_and_ask(till: Till, owner: Owner) -> list[Message]:
    """A payment, and a question about what remains, as one till sends them."""
    first = len(till.records) + 1
    till.pay(till.ask(owner, PRICE_FEN))
    address, now_ms = Address(till.name), till.bank.now_ms
    life: Any = {"nonce": till.random.token(16), "asked_ms": now_ms, "expires_ms": now_ms + 1_000}
    payload = batch(till.records, first, len(till.records), till.chain_id)
    question = QueryBalance(**life, subject=owner).encode()
    return [Message(address.topic(Channel.JOURNAL), payload), Message(address.topic(Channel.ASK), question)]


def test_workers_on_crossing_accounts_never_wait_in_a_circle(postgres_url: str, signer: Es256Signer) -> None:
    stores = [Store.open(postgres_url) for _ in range(2)]
    banks = [Bank(store, signer) for store in stores]
    for owner in (LI, WANG):
        banks[0].pay_in(owner, 10_000)
    together = threading.Barrier(len(banks))
    tills = [[Till(bank, f"till-{bank_at}{at}", seed=10 * bank_at + at + 1) for at in range(2)]
             for bank_at, bank in enumerate(banks)]  # fmt: skip
    for pair in tills:  # as a worker takes them
        pair.sort(key=lambda till: Address(till.name).topic(Channel.JOURNAL))
    for till in (till for pair in tills for till in pair):
        till.greet()
        till.send()

    def work(ingest: Ingest, pair: list[Till], owners: tuple[Owner, Owner]) -> None:
        for _ in range(ROUNDS):
            group = [message for till, owner in zip(pair, owners, strict=True) for message in pay_and_ask(till, owner)]
            together.wait(20)
            ingest.handle_all(group)

    crossing: list[Callable[[], None]] = [
        partial(work, banks[0].ingest, tills[0], (LI, WANG)),
        partial(work, banks[1].ingest, tills[1], (WANG, LI)),
    ]
    at_once(crossing)
    assert banks[0].balances() == dict.fromkeys((LI, WANG), 10_000 - 2 * ROUNDS * PRICE_FEN)
    states = [intent.state for intent in banks[0].intents().values()]
    assert states == [State.CAPTURED] * (4 * ROUNDS)
    for store in stores:
        store.close()
    assert deadlocks(postgres_url) == 0
