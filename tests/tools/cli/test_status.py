"""``onecard status``: the link in sentences, in both languages, and as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.buffer import BufferState
from agent.clock import SystemClock
from agent.standing import standing
from agent.sync.link import LinkFault, LinkPhase, LinkStatus
from agent.sync.metrics import NAME, LinkMetrics, link_metrics, write
from agent.sync.service import SyncStatus
from agent.sync.uplink import Phase
from tests.tools.doctor.test_beside_the_agent import an_agent_says
from tools.cli.main import cli


def onecard(state_dir: Path, *arguments: str, lang: str = "en") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", "status", "--state-dir", str(state_dir), *arguments],
        env=os.environ | {"ONECARD_LANG": lang},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def metrics(age_ms: int = 0) -> LinkMetrics:
    counters = {"refused-stale": 3, "ended-expired": 2, "records": 700, "sent-again": 50, "batches": 7}
    link = LinkStatus(LinkPhase.WAITING, "3.1.1", LinkFault.EXPIRED, broker=1)
    status = SyncStatus(link, Phase.OFFLINE, counters, 42, 4)
    return link_metrics(status, "b.example", SystemClock().now_ms() - age_ms, 650, {"asked": 1}, {})


def test_it_says_which_broker_what_is_wrong_and_what_waits(tmp_path: Path) -> None:
    write(tmp_path, metrics())
    code, said = onecard(tmp_path)
    assert code == 0
    for words in (
        "waiting to try again (broker 2, b.example, MQTT 3.1.1)",
        f"last fault: {LinkFault.EXPIRED.en}",
        f"ended: {LinkFault.EXPIRED.en} × 2",
        "7 batches, 700 records, 50 of them sent again",
        "650 records, 4 alarms",
        "answers refused: old ones, replayed × 3",
        "round trip: 42 ms",
    ):
        assert words in said
    assert " s ago" not in said
    code, said = onecard(tmp_path, lang="zh")
    assert code == 0
    assert f"上次故障：{LinkFault.EXPIRED.zh}" in said


def test_one_is_told_in_the_singular(tmp_path: Path) -> None:
    one = {"batches": 1, "records": 1, "sent_again": 0, "unacknowledged": 1, "alarms_waiting": 1}
    write(tmp_path, metrics().model_copy(update=one))
    said = CliRunner().invoke(cli, ["status", "--state-dir", str(tmp_path)], env={"ONECARD_LANG": "en"}).stdout
    assert "journal: 1 batch, 1 record, 0 of them sent again" in said
    assert "waiting: 1 record, 1 alarm\n" in said


def test_what_is_old_is_said_to_be(tmp_path: Path) -> None:
    write(tmp_path, metrics(age_ms=90_000))
    _, said = onecard(tmp_path)
    assert "the terminal does not run" in said


def test_what_a_stopped_terminal_wrote_last_is_said_to_be_that(tmp_path: Path) -> None:
    write(tmp_path, metrics())
    assert onecard(tmp_path)[1].startswith("the terminal does not answer; this is what it wrote last\n")


def test_of_a_running_terminal_it_is_what_that_says_not_what_was_written_before(tmp_path: Path) -> None:
    write(tmp_path, metrics(age_ms=90_000))
    now = metrics().model_copy(update={"host": "new.example"})
    told = standing("gate-7", "00" * 8, SystemClock().moment(), [], BufferState(4096, 100), 0, [], now, {})
    with an_agent_says(tmp_path, told):
        said = CliRunner().invoke(cli, ["status", "--state-dir", str(tmp_path)], env={"ONECARD_LANG": "zh"}).stdout
        as_json = CliRunner().invoke(cli, ["status", "--state-dir", str(tmp_path), "--json"]).stdout
    assert "（服务器 2，new.example，MQTT 3.1.1）" in said
    assert "秒前" not in said
    assert json.loads(as_json)["host"] == "new.example"


def test_as_json_it_is_the_snapshot_itself(tmp_path: Path) -> None:
    written = metrics()
    write(tmp_path, written)
    code, said = onecard(tmp_path, "--json")
    assert code == 0
    assert LinkMetrics.model_validate_json(said) == written


@pytest.mark.parametrize(("lang", "missing", "nonsense"), [("en", "never ran", "anew"), ("zh", "未运行过", "重写")])
def test_a_file_that_is_missing_or_nonsense_gives_a_sentence(
    tmp_path: Path, lang: str, missing: str, nonsense: str
) -> None:
    code, said = onecard(tmp_path, lang=lang)
    assert code != 0
    assert missing in said
    (tmp_path / NAME).write_text("{")
    code, said = onecard(tmp_path, lang=lang)
    assert code != 0
    assert nonsense in said
