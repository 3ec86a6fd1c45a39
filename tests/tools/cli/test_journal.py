"""``onecard journal``: looked at, proved and carried away beside a running agent."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent.checkpoints import proof
from agent.composition import keys_dir
from agent.cose import Es256Signer, VerifyKey
from agent.keys import FileKeyStore
from agent.sync.contract.stick import MAX_PART_BYTES
from offline_store.checkpoint import Signatory
from offline_store.database import DATABASE_NAME
from offline_store.journal import Append, Journal
from offline_store.record import Entry, Money, new_id
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill, spoil
from tests.tools.cli import in_process
from tools.platform import stick as sticks
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.ingest import Ingest
from tools.platform.service import Layout, ingest_of
from tools.platform.store import Store
from tools.sequence import parts

TERMINAL = "gate-001"


def onecard(*arguments: str | Path, lang: str = "en") -> subprocess.CompletedProcess[str]:
    done = in_process.onecard(Path.cwd(), *map(str, arguments), environment={"ONECARD_LANG": lang})
    return subprocess.CompletedProcess(arguments, done.exit_code, done.out, done.err)


def told(*arguments: str | Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(onecard(*arguments, "--json").stdout)
    return answer


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    return tmp_path / "platform"


@pytest.fixture
def state_dir(tmp_path: Path, platform: Path) -> Path:
    """An enrolled terminal that made 620 records, signed by its key; the platform has none of them."""
    state = tmp_path / "state"
    keys = Authority.init(Layout(platform).keys).provision(TERMINAL, keys_dir(state))
    journal = Journal.open(state, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    journal.sign_with(Signatory(TERMINAL, keys.checkpoint_signer(), every_records=300))
    for first in range(1, 601, 100):
        fill(journal, 100, first=first)
    fill(journal, 15, first=1000)
    journal.close()
    return state


def test_verify_proves_the_chain_and_the_terminals_signatures(state_dir: Path) -> None:
    assert told("journal", "verify", "--state-dir", state_dir) == {
        "whole": True,
        "checked": 618,
        "signed": 2,
        "broken": None,
    }
    said = onecard("journal", "verify", "--state-dir", state_dir, lang="zh").stdout
    assert "其中 2 个检查点由终端签名" in said
    keys_dir(state_dir).rename(state_dir / "away")
    assert "signatures were not checked" in onecard("journal", "verify", "--state-dir", state_dir).stdout


def test_verify_says_up_to_where_anybody_vouches_for_what_it_found(state_dir: Path) -> None:
    """What the file says of its own end nothing can prove: neither by a signature nor by the platform."""
    signed_seq = 403
    assert f"behind record {signed_seq} nothing" in onecard("journal", "verify", "--state-dir", state_dir).stdout
    spoil(state_dir, ("DELETE FROM record WHERE place > ?", (signed_seq,)))
    assert "nothing is signed" not in onecard("journal", "verify", "--state-dir", state_dir).stdout


def test_verify_names_a_checkpoint_that_the_terminal_did_not_sign(state_dir: Path) -> None:
    (keys_dir(state_dir) / "checkpoint.pem").unlink()
    FileKeyStore.create(keys_dir(state_dir))
    assert told("journal", "verify", "--state-dir", state_dir)["signed"] == 0
    spoil(state_dir, "UPDATE record SET body = x'00' WHERE place = 7")
    done = onecard("journal", "verify", "--state-dir", state_dir)
    assert (done.returncode, done.stdout) == (1, "record 7 is altered\n")


def test_show_tells_one_record_without_medium_and_subject(state_dir: Path) -> None:
    record = told("journal", "show", "5", "--state-dir", state_dir)
    assert (record["seq"], record["kind"], record["public"]["direction"]) == (5, "passage", "in")
    assert not {"medium", "subject"} & record.keys()
    assert record["prev_hash"] == told("journal", "show", "4", "--state-dir", state_dir)["hash"]
    assert "direction: in" in onecard("journal", "show", "5", "--state-dir", state_dir).stdout
    missing = onecard("journal", "show", "700", "--state-dir", state_dir)
    assert (missing.returncode, "holds 1 to 618" in missing.stderr) == (1, True)


def test_people_read_local_time_with_its_offset_and_amounts_in_the_list_and_machines_read_utc(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(4))
    time_ms = 1_795_665_605_000
    entry = Entry(
        id=new_id(time_ms, bytes(10)),
        kind="payment",
        time_ms=time_ms,
        time_quality="synchronised",
        monotonic_ms=5,
        reason="paid",
        money=Money(1250, bytes(16), "canteen-1", "20261126"),
    )
    journal.append([Append((entry,))])
    journal.close()
    place = ("--state-dir", tmp_path)
    listed = onecard("journal", "list", *place).stdout
    assert "2026-11-26 12:00:05+08:00 payment: the platform agreed  12.50 yuan\n" in listed
    assert "2  2026-11-26 12:00:05+08:00  payment\n  the platform agreed\n" in onecard("explain", "2", *place).stdout
    machine = json.loads(onecard("journal", "list", *place, "--json").stdout.splitlines()[1])
    assert (machine["time"], machine["amount_fen"]) == ("2026-11-26T04:00:05.000+00:00", 1250)


def test_times_are_those_of_the_terminal_whose_configuration_is_named(tmp_path: Path) -> None:
    config = tmp_path / "gate.yaml"
    assert onecard("config", "init", config).returncode == 0
    state = tmp_path / "state"
    Journal.open(state, BOOT_ID, clock=SteppingClock(), random=SeededRandom(4)).close()
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub("state_dir: .*", f"state_dir: {state}\n  utc_offset_minutes: 540", text), encoding="utf-8")
    assert "+09:00 " in onecard("journal", "list", "--config", config).stdout


def test_show_tells_what_moved_without_operator_and_account(tmp_path: Path) -> None:
    random = SeededRandom(4)
    journal = Journal.open(tmp_path / "till", BOOT_ID, clock=SteppingClock(), random=random)
    money = Money(-1250, random.token(16), "canteen-1", "20261123", operator="Li", account="a-7")
    entry = Entry(
        id=new_id(5, random.token(10)),
        kind="reversal",
        time_ms=5,
        time_quality="synchronised",
        monotonic_ms=5,
        money=money,
    )
    journal.append([Append((entry,))])
    journal.close()
    shown = told("journal", "show", "2", "--state-dir", tmp_path / "till")
    assert shown["money"] == {
        "amount_fen": -1250,
        "intent": money.intent_id.hex(),
        "merchant": "canteen-1",
        "business_date": "20261123",
    }
    said = onecard("journal", "show", "2", "--state-dir", tmp_path / "till").stdout
    assert "amount: -12.50 yuan" in said
    assert "not paid, or reversed" in said
    assert "a-7" not in said
    assert told("journal", "show", "1", "--state-dir", tmp_path / "till")["money"] is None


def test_stats_tell_how_much_there_is(state_dir: Path) -> None:
    stats = told("journal", "stats", "--state-dir", state_dir)
    assert (stats["records"], stats["unacknowledged"], stats["kinds"]["checkpoint"]) == (618, 618, 2)
    assert 100 < stats["bytes_per_record"] < 1_000
    assert "未确认：618" in onecard("journal", "stats", "--state-dir", state_dir, lang="zh").stdout


def test_the_size_counts_the_write_ahead_log_of_a_terminal_at_work(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    fill(journal, 100, first=1)
    try:
        stats = told("journal", "stats", "--state-dir", tmp_path)
        assert stats["log_bytes"] == (tmp_path / f"{DATABASE_NAME}-wal").stat().st_size > 0
        assert stats["file_bytes"] == stats["log_bytes"] + (tmp_path / DATABASE_NAME).stat().st_size
        assert 100 < stats["bytes_per_record"] < 1_000
    finally:
        journal.close()


def test_what_the_platform_lacks_travels_on_a_stick_and_its_checkpoints_are_proved(
    state_dir: Path, platform: Path, tmp_path: Path
) -> None:
    stick = tmp_path / "stick.batches"
    assert told("journal", "export", stick, "--state-dir", state_dir)["records"] == 618
    again = told("journal", "export", stick, "--state-dir", state_dir)
    assert (again["records"], again["added"]) == (618, 0)
    done = onecard("platform", "import", stick, "--terminal", TERMINAL, "--dir", platform)
    assert "committed up to record 618" in done.stdout
    assert "whole" in onecard("platform", "journal", "--verify", "--dir", platform).stdout
    assert alarms(platform) == set()


def alarms(platform: Path) -> set[str]:
    store = Store.open(Layout(platform).database_url)
    try:
        with store.transaction() as transaction:
            return {row.code for row in transaction.alarms()}
    finally:
        store.close()


@pytest.mark.parametrize(("known", "code"), [(False, "checkpoint-unknown"), (True, "checkpoint-forged")])
def test_a_checkpoint_by_another_key_brings_nothing_by_stick_and_alarms_by_the_broker(
    state_dir: Path, platform: Path, tmp_path: Path, known: bool, code: str
) -> None:
    stick = tmp_path / "stick.batches"
    (keys_dir(state_dir) / "platform-technician.pem").unlink()  # of before there were permits, which it asks for
    onecard("journal", "export", stick, "--plain", "--state-dir", state_dir)
    (Layout(platform).keys / "terminals" / f"{TERMINAL}.pem").unlink()
    store = Store.open(Layout(platform).database_url)
    try:
        ingest = ingest_of(store, Authority.init(Layout(platform).keys))
        if known:  # the kid of our key, and not our key
            public = FileKeyStore(keys_dir(state_dir)).checkpoint_public()
            liar = VerifyKey(VerifyKey.of(public).kid, VerifyKey.of(another_key()).key)
            signer = Es256Signer(Authority.init(Layout(platform).keys).load_ack_key())
            ingest = Ingest(store, signer, lambda: 1, lambda _: {liar.kid: liar})
        customs = sticks.Customs({}, ec.generate_private_key(ec.SECP256R1()), plain=True)
        with pytest.raises(PlatformError, match="Records 1 to 618 were not taken"):
            sticks.bring(ingest, TERMINAL, stick, customs)
        assert not alarms(platform)
        with stick.open("rb") as stream:  # as the broker, whose client is known by its certificate, would bring it
            for payload in parts(stream, MAX_PART_BYTES):
                ingest.bring(TERMINAL, payload)
    finally:
        store.close()
    assert alarms(platform) == {code}


def another_key() -> object:
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def test_a_proof_by_no_key_says_so() -> None:
    assert proof({})(bytes(8), b"", bytes(64)) is None
