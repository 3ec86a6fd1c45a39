"""A terminal without a network: its journal goes on a stick and comes back acknowledged, whatever befalls the stick."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose, stick_acks
from agent.composition import keys_dir
from agent.keys import FileKeyStore, Role
from agent.stick_acks import StickAcknowledgements
from agent.stick_files import StickError
from agent.sync.contract import Ack, ContractError, sign_answer
from agent.sync.contract.stick import (
    MAX_PART_BYTES,
    PartMaker,
    StickAcknowledgement,
    check_part,
    open_acknowledgement,
    sign_acknowledgement,
)
from offline_store.checkpoint import Signatory
from offline_store.journal import Journal
from offline_store.outbox import Outbox
from offline_store.writer import Writer
from tests.agent.sync import cddl
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill
from tests.offline_store.small_disk import mounted
from tests.tools.cli.test_journal import onecard, told
from tools import export as exporting
from tools.export import Form, Span
from tools.platform import stick
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.service import Layout, ingest_of
from tools.platform.store import Store
from tools.sequence import parts

TERMINAL = "gate-001"
HEAD = 1205


@dataclass
class Field:
    """An enrolled terminal with records that its platform lacks, and that platform."""

    home: Path
    authority: Authority

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def keys(self) -> FileKeyStore:
        return FileKeyStore(keys_dir(self.state))

    def form(self) -> Form:
        """As the command makes it."""
        recipient = self.keys.platform_keys(Role.SEALING)
        own = cose.keyring([cose.VerifyKey.of(self.keys.checkpoint_public())])
        maker = PartMaker(TERMINAL, self.keys.checkpoint_signer(), recipient[min(recipient)])

        def span(payload: bytes) -> Span:
            part = check_part(payload, own, TERMINAL)
            return Span(part.chain_id, part.first_seq, part.last_seq)

        return Form(maker.part, span)

    def export(self, file: Path, form: Form | None = None) -> exporting.Exported:
        with closing(Outbox.open(self.state)) as outbox:
            return exporting.export(outbox, None, file, form or self.form())

    def bring(self, file: Path) -> int:
        customs = stick.Customs(self.authority.checkpoint_keys(TERMINAL), self.authority.load_sealing_key())
        store = Store.open(Layout(self.home / "platform").database_url)
        try:
            return stick.bring(ingest_of(store, self.authority), TERMINAL, file, customs).seq
        finally:
            store.close()

    def acknowledgement(self, **changed: Any) -> StickAcknowledgement:
        with closing(Outbox.open(self.state)) as outbox:
            position = outbox.position()
        values: dict[str, Any] = {"terminal": TERMINAL, "chain_id": position.chain_id, "issued_ms": 1}
        return StickAcknowledgement(**(values | {"seq": position.head_seq, "hash": position.head_hash} | changed))

    def sign(self, acknowledgement: StickAcknowledgement) -> bytes:
        return sign_acknowledgement(acknowledgement, cose.Es256Signer(self.authority.load_ack_key()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Writer]:
        """The agent's writer, and its task that takes acknowledgements."""
        writer = Writer(Journal.open(self.state, BOOT_ID, clock=SteppingClock(), random=SeededRandom(2)))
        keys = partial(self.keys.platform_keys, Role.ACKNOWLEDGEMENT)
        taking = StickAcknowledgements(self.state, TERMINAL, writer, keys, lambda _seq: None)
        task = asyncio.create_task(taking.run())
        try:
            yield writer
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            writer.close(10)


@pytest.fixture
def field(tmp_path: Path) -> Field:
    field = Field(tmp_path, Authority.init(Layout(tmp_path / "platform").keys))
    keys = field.authority.provision(TERMINAL, keys_dir(field.state))
    journal = Journal.open(field.state, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    journal.sign_with(Signatory(TERMINAL, keys.checkpoint_signer(), every_records=300))
    for first in range(1, 1201, 100):
        fill(journal, 100, first=first)
    journal.close()
    return field


def acked(field: Field) -> int:
    with closing(Outbox.open(field.state)) as outbox:
        return outbox.position().acked_seq


async def test_the_journal_goes_on_a_stick_and_its_acknowledgement_lets_it_leave_the_disk(field: Field) -> None:
    file, state = field.home / "e", ("--state-dir", field.state)
    exported = await asyncio.to_thread(told, "journal", "export", file, *state)
    assert (exported["first"], exported["last"], exported["added"]) == (1, HEAD, HEAD)
    assert b"passage" not in file.read_bytes(), "who finds the stick reads nothing"
    brought = ("platform", "import", file, "--terminal", TERMINAL, "--dir", field.home / "platform")
    for _ in range(2):  # the second time nothing changes
        done = await asyncio.to_thread(told, *brought)
        assert (done["committed"], done["whole"], done["ack"]) == (HEAD, True, f"{file}.ack")
    async with field.running() as writer:
        ack = ("journal", "acknowledge", f"{file}.ack", *state)
        assert (await asyncio.to_thread(told, *ack))["state"] == "taken"
        assert (await asyncio.to_thread(told, *ack))["state"] == "known", "a replayed one moves nothing"
        assert acked(field) == HEAD
        assert not (field.state / stick_acks.NAME).exists()
        del writer
    journal = Journal.open(field.state, BOOT_ID, clock=SteppingClock(), random=SeededRandom(3))
    assert journal.prune(1 << 52) > 0, "what was acknowledged may leave the disk"
    journal.close()
    nothing = await asyncio.to_thread(onecard, "journal", "export", field.home / "none", *state)
    assert (nothing.returncode, "has every record" in nothing.stdout) == (0, True)
    assert not (field.home / "none").exists()


def test_a_stick_pulled_out_anywhere_is_gone_on_with(field: Field) -> None:
    whole = field.home / "whole"
    field.export(whole)
    content = whole.read_bytes()
    draw = random.Random(7)
    first = len(cbor2.dumps(cbor2.loads(content)))
    cuts = [
        0,
        9,
        400,
        first - 20,
        first,
        first + 1,
        len(content) - 1,
        *(draw.randrange(9, first - 16) for _ in range(3)),
    ]
    cuts += [draw.randrange(first, len(content)) for _ in range(5)]
    for cut in cuts:
        file = field.home / f"cut-{cut}"
        for tail in (b"", bytes(300)):  # a file system may leave zeros where the content was not yet written
            file.write_bytes(content[:cut] + tail)
            done = field.export(file)
            assert (done.first, done.last) == (1, HEAD), cut
    assert field.bring(file) == HEAD


def test_a_full_stick_keeps_what_is_whole_and_says_how_it_goes_on(field: Field) -> None:
    field.export(field.home / "whole")
    part = len(cbor2.dumps(cbor2.loads((field.home / "whole").read_bytes())))
    with mounted(field.home / "stick", f"{part * 3 // 2 // 1024}k") as disk:
        file = disk / "e"
        with pytest.raises(StickError, match=r"disk is full|No space left") as refused:
            field.export(file)
        assert "records 1 to 500 are on it, whole" in str(refused.value)
        assert "--from 501" in str(refused.value)
        assert acked(field) == 0
        assert field.bring(file) == 500
        done = onecard("journal", "export", file, "--state-dir", field.state)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        second = field.home / "second"
        assert told("journal", "export", second, "--from", "501", "--state-dir", field.state)["added"] == HEAD - 500
        assert field.bring(second) == HEAD


def test_what_is_no_export_of_this_terminal_is_neither_written_over_nor_waited_for(field: Field) -> None:
    target = field.home / "precious"
    target.write_bytes(b"precious")
    (field.home / "link").symlink_to(target)
    os.mkfifo(field.home / "fifo")
    (field.home / "photo").write_bytes(b"\xff\xd8" * 1_000)
    (field.home / "text").write_bytes(b"Yesterday")
    other = FileKeyStore.create(field.home / "other")
    mine = field.form()
    recipient = field.keys.platform_keys(Role.SEALING)
    foreign = PartMaker(TERMINAL, other.checkpoint_signer(), recipient[min(recipient)])
    field.export(field.home / "foreign", Form(foreign.part, mine.read))
    for name, words in (
        ("link", "symbolic link"),
        ("fifo", "no plain file"),
        ("precious", "stays as it is"),
        ("photo", "stays as it is"),
        ("text", "stays as it is"),
        ("foreign", "stays as it is"),
    ):
        path = field.home / name
        before = None if name == "fifo" else path.read_bytes()
        with pytest.raises(StickError, match=words):
            field.export(path)
        assert before is None or path.read_bytes() == before


def test_the_platform_takes_what_the_terminal_signed_and_nothing_else(field: Field) -> None:
    file = field.home / "e"
    field.export(file)
    content = file.read_bytes()
    second = len(cbor2.dumps(cbor2.loads(content)))
    file.write_bytes(content[: second + 900] + bytes([content[second + 900] ^ 1]) + content[second + 901 :])
    brought = ("platform", "import", file, "--terminal", TERMINAL, "--dir", field.home / "platform")
    done = onecard(*brought)
    assert (done.returncode, "Batch 2 is not believed" in done.stderr) == (1, True)
    assert "committed up to record 500" in done.stdout, "what was whole counts, and is acknowledged"
    ring = field.keys.platform_keys(Role.ACKNOWLEDGEMENT)
    assert open_acknowledgement((field.home / "e.ack").read_bytes(), ring, TERMINAL).seq == 500

    bare = field.home / "bare"
    (field.state / "keys" / "platform-technician.pem").unlink()  # of before there were permits, which it asks for
    told("journal", "export", bare, "--plain", "--state-dir", field.state)
    with pytest.raises(PlatformError, match="not signed by a terminal"):
        field.bring(bare)
    other = FileKeyStore.create(field.home / "other")
    recipient = field.keys.platform_keys(Role.SEALING)
    for maker, words in (
        (PartMaker(TERMINAL, other.checkpoint_signer(), recipient[min(recipient)]), "not trusted"),
        (PartMaker("gate-002", field.keys.checkpoint_signer(), recipient[min(recipient)]), "names the terminal"),
        (PartMaker(TERMINAL, field.keys.checkpoint_signer(), another_key()), "another key of the platform"),
    ):
        forged = field.home / words
        field.export(forged, Form(maker.part, field.form().read))
        with pytest.raises(PlatformError, match=words):
            field.bring(forged)
    (field.home / "precious").write_bytes(b"precious")
    (field.home / "e.ack").unlink()
    (field.home / "e.ack").symlink_to(field.home / "precious")
    onecard(*brought)
    assert (field.home / "precious").read_bytes() == b"precious"
    assert not (field.home / "e.ack").is_symlink()


def test_no_other_acknowledgement_moves_anything(field: Field) -> None:
    good = field.acknowledgement()
    own = field.sign(good)
    stranger = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
    wire = Ack(terminal=TERMINAL, chain_id=good.chain_id, nonce=bytes(16), issued_ms=1, seq=good.seq, hash=good.hash)
    (field.home / "good").write_bytes(own)
    (field.home / "link").symlink_to(field.home / "good")
    os.mkfifo(field.home / "fifo")
    for name, content in (
        ("stranger", sign_acknowledgement(good, stranger)),
        ("terminal", field.sign(field.acknowledgement(terminal="gate-002"))),
        ("chain", field.sign(field.acknowledgement(chain_id=bytes(16)))),
        ("beyond", field.sign(field.acknowledgement(seq=HEAD + 1))),
        ("hash", field.sign(field.acknowledgement(seq=HEAD - 1))),
        ("wire", sign_answer(wire, cose.Es256Signer(field.authority.load_ack_key()))),
        ("altered", own[:-1] + bytes([own[-1] ^ 1])),
        ("huge", bytes(1 << 20)),
        ("empty", b""),
        ("link", None),
        ("fifo", None),
        ("none", None),
    ):
        if content is not None:
            (field.home / name).write_bytes(content)
        done = onecard("journal", "acknowledge", field.home / name, "--state-dir", field.state)
        assert (done.returncode, done.stdout) == (1, ""), (name, done)
        assert not (field.state / stick_acks.NAME).exists()
    keys_dir(field.state).chmod(0o755)
    done = onecard("journal", "acknowledge", field.home / "good", "--state-dir", field.state)
    assert (done.returncode, "open to other users" in done.stderr) == (1, True), "the true reason, and no distrust"
    keys_dir(field.state).chmod(0o700)
    waiting = told("journal", "acknowledge", field.home / "good", "--wait-s", "0", "--state-dir", field.state)
    assert waiting["state"] == "waiting"
    assert acked(field) == 0


async def test_the_agent_judges_again_what_lies_in_its_directory(field: Field) -> None:
    forged = sign_acknowledgement(field.acknowledgement(), cose.Es256Signer(ec.generate_private_key(ec.SECP256R1())))
    async with field.running():
        for content in (forged, b"", bytes(5_000), field.sign(field.acknowledgement(chain_id=bytes(16)))):
            await asyncio.to_thread(stick_acks.hand_over, field.state, content)
            async with asyncio.timeout(20):
                while (field.state / stick_acks.NAME).exists():  # noqa: ASYNC110 -- a file's end sets no event
                    await asyncio.sleep(0.02)
        assert acked(field) == 0
        await asyncio.to_thread(stick_acks.hand_over, field.state, field.sign(field.acknowledgement()))
        async with asyncio.timeout(20):
            while acked(field) < HEAD:  # noqa: ASYNC110 -- another process's view
                await asyncio.sleep(0.02)


def test_parts_and_acknowledgements_are_what_the_cddl_says_and_not_taken_for_each_other(field: Field) -> None:
    field.export(field.home / "e")
    with (field.home / "e").open("rb") as file:
        part = next(parts(file, MAX_PART_BYTES))
    for rule, payload in (("stick-part", part), ("stick-ack", field.sign(field.acknowledgement()))):
        assert cddl.told(rule, cose.unverified(payload, max_payload_bytes=MAX_PART_BYTES)) == ""
    ring = field.keys.platform_keys(Role.ACKNOWLEDGEMENT)
    with pytest.raises(ContractError):
        check_part(field.sign(field.acknowledgement()), ring, TERMINAL)


def another_key() -> cose.VerifyKey:
    return cose.VerifyKey.of(ec.generate_private_key(ec.SECP256R1()).public_key())
