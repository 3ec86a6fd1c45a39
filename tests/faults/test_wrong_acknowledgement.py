"""A platform that acknowledges what it should not, over a real broker and properly signed: nothing moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from agent.cose import Es256Signer
from agent.sync.contract import Ack, Answer
from tests.tools.platform.terminals import Running, drained, running_terminal, until
from tools.platform.broker import Broker, Endpoint
from tools.platform.ca import Authority
from tools.platform.consumer import Consumer, Share
from tools.platform.ingest import Ingest
from tools.platform.ingest import Reply as Published
from tools.platform.questions import Awaited
from tools.platform.service import _now_ms
from tools.platform.store import Store, sqlite_url

Lie = Callable[[Ack], Ack]
READY_S = 20.0
PASSAGES = 100


class Mistaken(Ingest):
    """The platform's own ingest, whose acknowledgements are wrong while ``lie`` is set."""

    lie: Lie | None = None

    def _signed(self, answer: tuple[str, Answer | Awaited] | None) -> Published | None:
        if answer is not None and isinstance(answer[1], Ack) and self.lie is not None:
            answer = (answer[0], self.lie(answer[1]))
        return super()._signed(answer)


@contextmanager
def mistaken_platform(directory: Path) -> Iterator[tuple[Authority, Endpoint, Mistaken]]:
    authority = Authority.init(directory / "keys")
    broker = Broker(directory / "broker", authority)
    with ExitStack() as stack:
        broker.start()
        stack.callback(broker.stop)
        store = Store.open(sqlite_url(directory / "platform.db"))
        stack.callback(store.close)
        ingest = Mistaken(store, Es256Signer(authority.load_ack_key()), _now_ms)
        consumer = Consumer([broker.endpoint], authority, ingest, Share())
        consumer.start()
        stack.callback(consumer.stop)
        assert consumer.wait_until_ready(READY_S)
        yield authority, broker.endpoint, ingest


def refusals(terminal: Running, cause: str) -> int:
    return terminal.sync.status.counters.get(f"refused-{cause}", 0)


@pytest.mark.parametrize(
    ("lie", "cause"),
    [
        pytest.param(lambda ack: ack.model_copy(update={"seq": ack.seq + 10_000}), "beyond-head", id="too far"),
        pytest.param(lambda ack: ack.model_copy(update={"hash": bytes(32)}), "wrong-hash", id="another hash"),
    ],
)
async def test_a_wrong_acknowledgement_moves_nothing_and_the_right_one_does(
    tmp_path: Path, lie: Lie, cause: str
) -> None:
    with mistaken_platform(tmp_path / "platform") as (authority, endpoint, ingest):
        async with running_terminal(tmp_path, authority, endpoint, 0) as terminal:
            await until(lambda: drained(terminal.outbox))
            before = terminal.outbox.position().acked_seq
            ingest.lie = lie
            await asyncio.to_thread(terminal.decide, PASSAGES)
            await until(lambda: refusals(terminal, cause) > 1)
            assert terminal.outbox.position().acked_seq == before
            ingest.lie = None
            await until(lambda: drained(terminal.outbox))
            assert terminal.outbox.position().acked_seq == before + PASSAGES
