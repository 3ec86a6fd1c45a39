"""`onecard platform` as an operator types it."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.bundles.errors import BundleFault
from agent.configuration.standing import Why
from agent.cose import Es256Signer
from agent.keys import FileKeyStore
from agent.sync.contract import Alarm, Channel, Presence, State
from agent.words import tell
from tests.tools.platform.chains import NOW_MS, Desk, make_chain
from tools.cli import fields
from tools.platform.alarms import alarm_words, source_words
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.service import Layout
from tools.platform.store import Store

PATIENCE_S = 20.0
NOTHING = {"zh": ("没有", "是空的"), "en": ("No ", "no ", "Nothing", "none", "is empty")}


def onecard_platform(*arguments: str | Path) -> Result:
    return CliRunner().invoke(platform, [str(argument) for argument in arguments])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A platform's directory with one terminal that announced five records; four of them are committed."""
    layout = Layout(tmp_path / "platform")
    signer = Es256Signer(Authority.init(layout.keys).load_ack_key())
    store = Store.open(layout.database_url)
    desk, records = Desk(store, signer), make_chain(5)
    desk.hand(Channel.STATE, State(presence=Presence.ONLINE, since_ms=1).encode())
    desk.hand(Channel.ALARM, Alarm(code="forced-open", at_ms=3, source="north", detail="[bold]door").encode())
    desk.hello(records)
    desk.batch(records, 1, 4)
    store.close()
    return layout.directory


@contextmanager
def running(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """`onecard platform run` as a process of its own, ready."""
    program = "from tools.platform.commands import platform; platform()"
    command = [sys.executable, "-c", program, "run", "--port", "0", "--dir", str(directory)]
    environment = os.environ | {"ONECARD_LANG": "en", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[3], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "ready: mqtts://127.0.0.1:" in process.stdout.readline()
        yield process
        process.kill()


def test_run_says_where_it_listens_and_ends_on_sigterm(tmp_path: Path) -> None:
    with running(tmp_path / "platform") as process:
        assert process.stdout is not None
        assert "enrol new" in process.stdout.readline()
        broker = Path("/proc") / (tmp_path / "platform/broker/mosquitto.pid").read_text().strip()
        assert broker.exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert not broker.exists()
    assert (tmp_path / "platform/broker/mosquitto.db").exists(), "mosquitto was killed instead of stopped"


def told(directory: Path) -> dict[str, Any]:
    result = onecard_platform("status", "--json", "--dir", directory)
    assert result.exit_code == 0
    answer: dict[str, Any] = json.loads(result.output)
    return answer


def test_status_tells_how_far_each_terminal_is_committed(directory: Path) -> None:
    (terminal,) = told(directory)["terminals"]
    assert terminal["terminal"] == "gate-1"
    assert (terminal["committed"], terminal["behind"], terminal["alarms"]) == (4, 1, 1)
    assert told(directory)["alarms"][0]["code"] == "forced-open"


def test_presence_is_unknown_when_the_platform_does_not_run_and_what_was_heard_is_told_with_its_time(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    monkeypatch.setenv("COLUMNS", "160")
    (terminal,) = told(directory)["terminals"]
    assert (told(directory)["running"], terminal["presence"]) == (False, "unknown")
    assert (terminal["last_presence"], terminal["last_presence_ms"]) == ("online", NOW_MS)
    shown = onecard_platform("status", "--dir", directory).output
    assert "does not run" in shown
    assert "unknown (online as of 20" in shown


def test_a_platform_started_again_takes_nobody_for_online_before_it_hears_so(directory: Path) -> None:
    with running(directory) as process:
        assert told(directory)["running"]
        (terminal,) = told(directory)["terminals"]
        assert (terminal["presence"], terminal["last_presence"]) == ("unknown", "unknown")
        process.kill()
        process.wait(PATIENCE_S)
        assert not told(directory)["running"]


def test_what_a_terminal_sent_is_shown_literally(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    result = onecard_platform("status", "--dir", directory)
    assert result.exit_code == 0
    assert "[bold]door" in result.output


@pytest.mark.parametrize(
    ("lang", "behind", "detail"), [("en", "behind: 1;", "detail: [bold]door"), ("zh", "落后：1；", "说明：[bold]door")]
)
def test_in_a_narrow_window_a_row_is_a_paragraph_and_no_word_of_it_is_broken(
    directory: Path, monkeypatch: pytest.MonkeyPatch, lang: str, behind: str, detail: str
) -> None:
    for name, value in (("ONECARD_LANG", lang), ("FORCE_COLOR", "1"), ("COLUMNS", "60")):
        monkeypatch.setenv(name, value)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", onecard_platform("status", "--dir", directory).output)
    assert "┃" not in shown
    assert all(words in " ".join(shown.split()) for words in ("gate-1", behind, detail))
    assert max(len(line) for line in shown.splitlines()) <= 60
    monkeypatch.setenv("COLUMNS", "120")
    assert onecard_platform("status", "--dir", directory).output.count("┃") > 10, "where it fits it is a table"


def test_the_journal_is_listed_in_order(directory: Path) -> None:
    result = onecard_platform("journal", "--json", "--terminal", "gate-1", "--dir", directory)
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [(row["seq"], row["kind"]) for row in rows] == [
        (1, "genesis"), (2, "passage"), (3, "passage"), (4, "passage"),
    ]  # fmt: skip
    unknown = onecard_platform("journal", "--json", "--terminal", "gate-2", "--dir", directory)
    assert (unknown.exit_code, "gate-2" in unknown.output) == (1, True)


def test_a_whole_chain_is_verified(directory: Path) -> None:
    result = onecard_platform("journal", "--verify", "--json", "--dir", directory)
    assert result.exit_code == 0
    assert json.loads(result.output)["broken_at"] is None


def test_an_altered_record_is_named_and_the_exit_code_says_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    with closing(sqlite3.connect(directory / "platform.db", isolation_level=None)) as intruder:
        body = bytearray(intruder.execute("SELECT body FROM record WHERE seq = 3").fetchone()[0])
        body[body.index(b"north")] ^= 1
        intruder.execute("UPDATE record SET body = ? WHERE seq = 3", (bytes(body),))
    result = onecard_platform("journal", "--verify", "--dir", directory)
    assert result.exit_code == 1
    assert "broken at record 3" in result.output


def test_a_terminal_is_added(tmp_path: Path) -> None:
    add = ("terminal", "add", "gate-7", "--to", tmp_path / "keys", "--dir", tmp_path / "platform")
    nowhere = onecard_platform(*add)
    assert (nowhere.exit_code, (tmp_path / "platform").exists()) == (1, False)
    onecard_platform("init", "--dir", tmp_path / "platform")
    result = onecard_platform(*add)
    assert result.exit_code == 0
    assert FileKeyStore(tmp_path / "keys").tls_files().certificate.exists()


def test_the_keys_of_another_terminal_are_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    where = ("--to", tmp_path / "keys", "--dir", tmp_path / "platform")
    onecard_platform("init", "--dir", tmp_path / "platform")
    onecard_platform("terminal", "add", "gate-7", *where)
    before = (tmp_path / "keys" / "tls.pem").read_bytes()
    refused = onecard_platform("terminal", "add", "gate-8", *where)
    assert refused.exit_code == 1
    assert "holds the keys of gate-7" in refused.output
    assert (tmp_path / "keys" / "tls.pem").read_bytes() == before


@pytest.mark.parametrize("command", ["status", "journal"])
def test_a_database_address_of_another_form_is_a_sentence(command: str) -> None:
    result = onecard_platform(command, "--database", "foo")
    assert result.exit_code == 1
    assert "sqlite:///" in result.output


@pytest.mark.parametrize("listen", ["300.1.1.1", "10.255.255.254"])
def test_an_address_that_is_not_this_machines_is_a_sentence(tmp_path: Path, listen: str) -> None:
    result = onecard_platform("run", "--dir", tmp_path / "platform", "--port", "0", "--listen", listen)
    assert result.exit_code == 1
    assert listen in result.output


@pytest.mark.parametrize(
    ("language", "words"), [("en", "was the platform ever started"), ("zh_CN.UTF-8", "平台启动过吗")]
)
@pytest.mark.parametrize("command", ["status", "journal"])
def test_a_platform_that_was_never_started_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, language: str, words: str
) -> None:
    monkeypatch.setenv("ONECARD_LANG", language)
    result = onecard_platform(command, "--dir", tmp_path)
    assert result.exit_code == 1
    assert words in result.output
    assert not (tmp_path / "platform.db").exists()


def test_a_database_url_that_cannot_be_used_is_a_sentence_without_its_password(tmp_path: Path) -> None:
    for url in ("nonsense", "nosuchdatabase://user:secret@host/name"):
        result = onecard_platform("status", "--database", url, "--dir", tmp_path)
        assert result.exit_code == 1
        assert "secret" not in result.output


READS = (
    ("status",),
    ("reconcile",),
    ("journal",),
    ("bundles",),
    ("evidence",),
    ("dead-letters", "list"),
    ("foreign-codes", "list"),
    ("register", "list"),
    ("loans", "list"),
)


@pytest.mark.parametrize("command", [*READS, ("command", "list"), ("command", "show", "0"), ("intents",)], ids=" ".join)
def test_a_command_closes_the_database_that_it_read(tmp_path: Path, command: tuple[str, ...]) -> None:
    Store.open(Layout(tmp_path).database_url).close()
    onecard_platform(*command, "--dir", tmp_path)
    held = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    assert not [file for file in held if file.is_relative_to(tmp_path)]


@pytest.mark.parametrize("command", READS)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_where_there_is_nothing_a_sentence_says_so_and_no_bare_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], lang: str
) -> None:
    monkeypatch.setenv("ONECARD_LANG", lang)
    Store.open(Layout(tmp_path).database_url).close()
    done = onecard_platform(*command, "--dir", tmp_path)
    assert done.exit_code == 0
    assert "━" not in done.output
    assert any(word in done.output for word in NOTHING[lang])
    assert ("onecard platform enrol new ID" in done.output) is (command[0] in {"status", "reconcile", "journal"})


@pytest.mark.parametrize(("lang", "words"), [("en", "knows no terminal gate-9"), ("zh", "不认识终端 gate-9")])
@pytest.mark.parametrize("command", [("dead-letters", "list"), ("evidence",)])
def test_of_a_terminal_that_nobody_knows_no_list_is_empty(
    directory: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], lang: str, words: str
) -> None:
    monkeypatch.setenv("ONECARD_LANG", lang)
    for more in ((), ("--json",)):
        refused = onecard_platform(*command, "--terminal", "gate-9", "--dir", directory, *more)
        assert (refused.exit_code, words in refused.output) == (1, True), refused.output
        known = onecard_platform(*command, "--terminal", "gate-1", "--dir", directory, *more)
        assert known.exit_code == 0, known.output


def test_a_database_of_another_version_is_not_taken_for_a_platform_that_never_ran(tmp_path: Path) -> None:
    path = Layout(tmp_path).directory / "platform.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")
    done = onecard_platform("status", "--dir", tmp_path)
    assert done.exit_code == 1
    assert "no database of this version's platform" in " ".join(done.output.split())


def test_alarms_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    for lang, platform_said, clock in (("en", "the platform", "its clock"), ("zh", "平台", "时钟")):
        monkeypatch.setenv("ONECARD_LANG", lang)
        assert source_words("hole", "platform") == platform_said
        assert source_words("clock-untrusted", "clock") == clock
        assert source_words("forced-open", "north-in") == "north-in"
        assert source_words("answer-refused", "stale") == fields.refusal("stale") != "stale"
        passed = source_words("command-refused", "passed-number")
        assert passed != "passed-number"
        assert source_words("command-refused", "unheard-of") == "unheard-of"
        assert source_words("bundle-refused", "audience") == tell(BundleFault.AUDIENCE.sentence)
        assert source_words("configuration-withdrawn", "restarts") == tell(Why.RESTARTS.sentence)


def test_every_alarm_that_the_contract_names_has_words(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = (Path(__file__).parents[3] / "docs/contract.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|", contract.split("\n## State and alarms\n")[1].split("\n## ")[0], re.MULTILINE)
    codes = [code for row in rows for code in re.findall(r"`([a-z-]+)`", row)]
    assert {"answer-refused", "loan-stands", "clock-untrusted"} <= set(codes)
    for lang in ("en", "zh"):
        monkeypatch.setenv("ONECARD_LANG", lang)
        assert [code for code in codes if alarm_words(code) == code] == []
