"""`onecard provision`: the golden path on a real broker, and every way in which it is cut short."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent import private_files
from agent.keys import FileKeyStore, KeyStoreError
from agent.words import say
from offline_store.lock import take_lock
from tests.faults.wrong_clock import WrongClock
from tests.tools.platform.mqtt_client import wait_until
from tools.cli.main import cli
from tools.cli.provision_steps import Plan, Provisioning, Step, StepFailed
from tools.platform.service import Platform, Settings

HOUSE = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("platform")


@pytest.fixture(scope="module")
def platform(directory: Path) -> Iterator[Platform]:
    with Platform.start(directory, Settings(enrol_port=0)) as running:
        yield running


def onecard(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def code_of(directory: Path, terminal: str, *options: object) -> str:
    result = onecard("platform", "enrol", "new", terminal, "--json", "--dir", directory, *options)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.output)["code"])


def codes(directory: Path, terminal: str) -> list[Mapping[str, Any]]:
    listed = json.loads(onecard("platform", "enrol", "list", "--json", "--dir", directory).output)
    return [row for row in listed if row["terminal"] == terminal]


def plan_of(box: Path, **changes: Any) -> Plan:
    return replace(Plan(box / "terminal.yaml", box / "state", tests=False), **changes)


def provisioning(plan: Plan, heard: list[Step]) -> Provisioning:
    return Provisioning(plan, lambda step, _told: heard.append(step), lambda _fingerprint: None)


def test_a_bare_box_becomes_a_terminal_that_reports(platform: Platform, directory: Path, tmp_path: Path) -> None:
    text = code_of(directory, "gate-1", "--site", "east", "--profile", "gate", "--png", tmp_path / "code.png")
    (tmp_path / "code").write_text(text)
    command = [sys.executable, "-P", "-m", "agent", "provision", "--code", str(tmp_path / "code"), "--yes", "--json"]
    where = ["--config", str(tmp_path / "box" / "terminal.yaml"), "--state-dir", str(tmp_path / "box" / "state")]
    with subprocess.Popen([*command, *where, "--virtual"], cwd=HOUSE, stdout=subprocess.PIPE, text=True) as box:
        assert box.stdout is not None
        lines = (json.loads(line) for line in box.stdout)
        shown = next(line["fingerprint"] for line in lines if line["state"] == "waits")
        assert Path(f"/proc/{box.pid}/cmdline").read_bytes().find(text.encode()[:40]) == -1
        wrong = onecard("platform", "enrol", "confirm", "gate-1", "--fingerprint", "0" * 32, "--dir", directory)
        assert wrong.exit_code == 1
        right = onecard("platform", "enrol", "confirm", "gate-1", "--fingerprint", shown.lower(), "--dir", directory)
        assert right.exit_code == 0, right.output
        told = list(lines)
    assert told[-1]["enrolled"] is True
    assert told[-2]["devices"] == ["board", "card-field", "card-slot", "scanner"]
    (row,) = codes(directory, "gate-1")
    assert (row["stage"], row["ready"]) == ("granted", True)
    assert len(platform.authority.given("gate-1")) == 1
    assert not [path for path in (tmp_path / "box").rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_box_that_boots_in_1970_is_enrolled_and_reaches_its_platform(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    clock = WrongClock(tmp_path)
    clock.jump_to(86_400_000 - time.time_ns() // 1_000_000)
    text = code_of(directory, "old-1", "--unconfirmed", "--profile", "gate")
    where = ["--config", str(tmp_path / "terminal.yaml"), "--state-dir", str(tmp_path / "state")]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", "provision", "--code", "-", "--yes", "--json", "--virtual", *where],
        cwd=HOUSE,
        env={**os.environ, **clock.environment},
        input=text,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    with platform.store.transaction() as transaction:
        (chain,) = transaction.chains("old-1")
        assert chain.seq >= 2
        assert all(row.time_ms < 2 * 86_400_000 for row in transaction.records(chain.chain_id)), "it was not in 1970"


def test_no_link_that_somebody_planted_beside_the_configuration_is_written_through(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    assert platform.authority.given("planted-1") == []
    others = tmp_path / "others"
    others.write_text("not ours")
    box = tmp_path / "box"
    box.mkdir()
    for name in (".terminal.yaml.new", ".terminal.yaml.part", "terminal.yaml.new"):
        (box / name).symlink_to(others)
    provisioning(plan_of(box), []).run(code_of(directory, "planted-1", "--unconfirmed", "--profile", "gate"))
    assert others.read_text() == "not ours"
    assert (box / "terminal.yaml").stat().st_mode & 0o777 == 0o640


class PowerCut(BaseException):
    """Nothing is cleaned up behind it."""


def test_cut_short_before_any_write_it_goes_on_and_one_certificate_is_issued(
    platform: Platform, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 0

    def dying(act: Callable[[Path, bytes], None]) -> Callable[[Path, bytes], None]:
        def cut(path: Path, content: bytes) -> None:
            nonlocal left
            left -= path.is_relative_to(tmp_path)
            if left < 0:
                raise PowerCut
            act(path, content)

        return cut

    monkeypatch.setattr(private_files, "write", dying(private_files.write))
    monkeypatch.setattr(private_files, "create", dying(private_files.create))
    cuts = 0
    while True:
        terminal, box = f"cut-{cuts}", tmp_path / f"box-{cuts}"
        text = code_of(directory, terminal, "--unconfirmed", "--profile", "gate")
        left = cuts
        try:
            provisioning(plan_of(box), []).run(text)
            break
        except PowerCut:
            left = 1_000
        again = provisioning(plan_of(box), [])
        again.run(None if again.pending() else text)
        assert len(platform.authority.given(terminal)) == 1
        FileKeyStore(box / "state" / "keys").tls_files().load_into(ssl.create_default_context())
        assert not list((box / "state" / "keys").glob("enrol-*"))
        cuts += 1
    assert cuts > 12


@pytest.mark.parametrize("step", [Step.CODE, Step.KEYS, Step.ASK, Step.CONFIGURE, Step.INSTALL])
def test_killed_after_a_step_it_goes_on_where_it_was(
    platform: Platform, directory: Path, tmp_path: Path, step: Step
) -> None:
    terminal = f"killed-{step.code}"
    (tmp_path / "code").write_text(code_of(directory, terminal, "--unconfirmed", "--profile", "gate"))
    run = ["provision", "--code", str(tmp_path / "code"), "--yes", "--json", "--no-test"]
    where = ["--config", str(tmp_path / "terminal.yaml"), "--state-dir", str(tmp_path / "state")]
    command = [sys.executable, "-P", "-m", "agent", *run, *where]
    with subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, text=True) as box:
        assert box.stdout is not None
        assert any(json.loads(line)["step"] == step.code for line in box.stdout)
        box.kill()
    for _ in range(2):  # the second time there is nothing left to do
        again = onecard(*run, *where)
        assert again.exit_code == 0, again.output
    assert len(platform.authority.given(terminal)) == 1


def failure(plan: Plan, text: str) -> StepFailed:
    with pytest.raises(StepFailed) as caught:
        provisioning(plan, []).run(text)
    return caught.value


def test_a_code_on_the_command_line_is_refused_and_not_repeated() -> None:
    said = CliRunner().invoke(cli, ["provision", "--yes", "--code", "ONECARD:2KCE3IQBEYCERR4R5UT6FQJJX2"])
    assert said.exit_code == 2
    assert "a file with the code belongs here" in said.output
    assert "or - for standard input" in said.output
    assert "2KCE3IQB" not in said.output


@pytest.mark.parametrize(
    "given",
    [
        ("ONECARD:2KCE3IQBEYCERR4R5UT6FQJJX2",),
        ("--code", " onecard:2KCE3IQBEYCERR4R5UT6FQJJX2"),
        ("--code", "2KCE3IQB" * 90),
    ],
    ids=["without an option", "copied by hand", "without its beginning"],
)
def test_however_a_code_came_to_stand_there_it_is_not_repeated(given: tuple[str, ...]) -> None:
    said = CliRunner().invoke(cli, ["provision", "--yes", *given])
    assert said.exit_code == 2
    assert "or - for standard input" in said.output.replace("--code - for", "or - for")
    assert "2KCE3IQB" not in said.output


def test_it_says_how_long_it_waits_for_the_fingerprint_and_goes_on_when_run_again(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    del platform
    where = ["--config", str(tmp_path / "terminal.yaml"), "--state-dir", str(tmp_path / "state"), "--no-test"]
    text = code_of(directory, "slow-1", "--profile", "gate")
    said = CliRunner().invoke(cli, ["provision", *where, "--wait-s", "1"], input=text)
    assert said.exit_code == 1
    assert say("等待 1 秒", "It waits 1 s; interrupted, run it again") in said.output
    assert say("再运行一次本命令", "run this command again") in said.output
    (row,) = codes(directory, "slow-1")
    shown = ("--fingerprint", row["fingerprint"], "--dir", directory)
    assert onecard("platform", "enrol", "confirm", "slow-1", *shown).exit_code == 0
    assert CliRunner().invoke(cli, ["provision", *where, "--yes"]).exit_code == 0


def test_a_code_that_is_piped_in_is_read_and_taken_for_no_path(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    del platform
    text = code_of(directory, "piped-1", "--unconfirmed", "--profile", "gate")
    where = ["--config", str(tmp_path / "terminal.yaml"), "--state-dir", str(tmp_path / "state"), "--no-test"]
    said = CliRunner().invoke(cli, ["provision"], input=text)
    assert said.exit_code == 2
    assert "nothing can be asked: give --config and --state-dir" in said.output
    assert text not in said.output
    said = CliRunner().invoke(cli, ["provision", *where], input="")
    assert said.exit_code == 2
    assert "standard input holds no code" in said.output
    done = CliRunner().invoke(cli, ["provision", *where, "--json"], input=text + "\n")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output.splitlines()[-1])["enrolled"] is True


def test_a_used_code_is_refused_to_the_next_box(platform: Platform, directory: Path, tmp_path: Path) -> None:
    text = code_of(directory, "used-1", "--unconfirmed", "--profile", "gate")
    provisioning(plan_of(tmp_path / "first"), []).run(text)
    refused = failure(plan_of(tmp_path / "second"), text)
    assert (refused.step, refused.code) == (Step.ASK, "used")
    with platform.store.transaction() as transaction:
        assert [row.code for row in transaction.alarms("used-1")] == ["enrol-used"]


def test_a_revoked_code_is_refused(platform: Platform, directory: Path, tmp_path: Path) -> None:
    text = code_of(directory, "revoked-1", "--unconfirmed")
    assert onecard("platform", "enrol", "revoke", "revoked-1", "--dir", directory).exit_code == 0
    assert failure(plan_of(tmp_path), text).code == "revoked"


def test_a_terminal_that_is_enrolled_takes_no_code_of_another_platform(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path / "box")
    provisioning(plan, []).run(code_of(directory, "mine-1", "--unconfirmed", "--profile", "gate"))
    other = tmp_path / "other"
    with Platform.start(other, Settings(enrol_port=0)):
        foreign = code_of(other, "mine-1", "--unconfirmed", "--profile", "gate")
    refused = failure(plan, foreign)
    assert (refused.step, refused.code) == (Step.CODE, "foreign")


def test_a_configuration_that_is_there_stays_and_must_fit(platform: Platform, directory: Path, tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "box")
    text = code_of(directory, "kept-1", "--unconfirmed", "--profile", "gate")
    onecard("config", "init", tmp_path / "box.yaml")
    plan.config.parent.mkdir()
    preset = (tmp_path / "box.yaml").read_text()
    plan.config.write_text(preset)
    refused = failure(plan, text)
    assert (refused.step, refused.code) == (Step.CONFIGURE, "configuration")
    assert "terminal.id" in refused.en
    fitting = preset.replace("gate-001", "kept-1").replace("state/kept-1", "state") + "platform: {host: localhost}\n"
    plan.config.write_text(fitting)
    provisioning(plan, []).run(None)
    assert plan.config.read_text() == fitting
    assert len(platform.authority.given("kept-1")) == 1


def test_with_keys_of_another_machine_it_says_so_and_begins_anew_if_asked(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path / "box")
    provisioning(plan, []).run(code_of(directory, "moved-1", "--unconfirmed", "--profile", "gate"))
    keys = plan.state_dir / "keys"
    (keys / "checkpoint.pem").write_bytes((keys / "sealing.pem").read_bytes())
    text = code_of(directory, "moved-1", "--unconfirmed", "--again")
    assert failure(plan, text).code == "key-store"
    heard: list[Step] = []
    provisioning(plan_of(tmp_path / "box", fresh_keys=True), heard).run(text)
    assert heard == [Step.CODE, Step.KEYS, Step.ASK, Step.CONFIGURE, Step.INSTALL]


def test_keys_are_destroyed_for_no_bad_code_and_under_no_running_terminal(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    box = tmp_path / "box"
    provisioning(plan_of(box), []).run(code_of(directory, "safe-1", "--unconfirmed", "--profile", "gate"))
    fresh, text = plan_of(box, fresh_keys=True), code_of(directory, "safe-1", "--unconfirmed", "--again")
    assert failure(fresh, text[:-8]).code in ("code", "forged-code")
    lock = take_lock(fresh.state_dir)
    try:
        refused = failure(fresh, text)
    finally:
        os.close(lock)
    assert (refused.step, refused.code) == (Step.KEYS, "running")
    FileKeyStore(box / "state" / "keys").tls_files().load_into(ssl.create_default_context())
    assert len(platform.authority.given("safe-1")) == 1


def test_with_fresh_keys_and_cut_short_it_goes_on_with_the_keys_that_asked(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    box = tmp_path / "box"
    provisioning(plan_of(box), []).run(code_of(directory, "anew-1", "--unconfirmed", "--profile", "gate"))
    before = FileKeyStore(box / "state" / "keys").checkpoint_signer().kid
    fresh, text = plan_of(box, fresh_keys=True), code_of(directory, "anew-1", "--again")
    shown: list[str] = []

    def cut(fingerprint: str) -> None:
        shown.append(fingerprint)
        raise PowerCut

    with pytest.raises(PowerCut):
        Provisioning(fresh, lambda _step, _told: None, cut).run(text)
    confirmed = onecard("platform", "enrol", "confirm", "anew-1", "--fingerprint", shown[0], "--dir", directory)
    assert confirmed.exit_code == 0, confirmed.output
    provisioning(fresh, []).run(text)
    current = FileKeyStore(box / "state" / "keys").checkpoint_signer().kid
    assert current != before
    heard: list[Step] = []
    provisioning(fresh, heard).run(text)
    assert heard == [Step.CODE], "the code has done its work, and its keys stay"
    assert FileKeyStore(box / "state" / "keys").checkpoint_signer().kid == current
    assert len(platform.authority.given("anew-1")) == 2


def test_a_device_that_does_not_answer_is_named_with_what_to_do(
    platform: Platform, directory: Path, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path / "box", tests=True)  # no virtual devices, so no reader is there
    text = code_of(directory, "silent-1", "--unconfirmed", "--profile", "gate")
    failed = failure(plan, text)
    assert (failed.step, failed.code) == (Step.TEST, "devices")
    assert "scanner" in failed.en
    assert "run this command again" in failed.en
    wait_until(lambda: codes(directory, "silent-1")[0]["ready"], "the terminal reports all the same")


def test_virtual_devices_that_do_not_start_fail_the_trial_alone_and_it_can_be_left_out(
    platform: Platform, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    plan = plan_of(tmp_path / "box", tests=True, virtual=True)
    text = code_of(directory, "trial-1", "--unconfirmed", "--profile", "gate")
    with monkeypatch.context() as nowhere:
        nowhere.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
        failed = failure(plan, text)
    assert (failed.step, failed.code) == (Step.TEST, "virtual-devices")
    assert "cannot be made" in failed.en
    assert "--no-test" in failed.en
    assert "--no-test" in failed.zh
    heard: list[Step] = []
    provisioning(replace(plan, tests=False), heard).run(text)
    assert heard == [Step.CODE], "it is a terminal already"


def test_codes_are_made_for_new_terminals_and_for_replaced_ones(directory: Path, platform: Platform) -> None:
    again = onecard("platform", "enrol", "new", "platform", "--dir", directory)
    assert again.exit_code == 1
    replaced = onecard("platform", "enrol", "new", "nobody", "--replace", "--dir", directory)
    assert replaced.exit_code == 1
    assert say("没有终端", "no terminal") in replaced.output
    assert os.fspath(directory) in os.fspath(platform.authority.ca.certificate)


def test_what_is_no_code_and_no_root_is_a_sentence(tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    where = ("--config", tmp_path / "terminal.yaml", "--state-dir", tmp_path / "state", "--yes", "--json")
    for content in (b"\xff\xfe\x00\x81", b"ONECARD:\xff\xfe"):
        noise.write_bytes(content)
        refused = onecard("provision", "--code", noise, *where)
        assert refused.exit_code == 1
        assert json.loads(refused.output)["step"] == "code"
    with pytest.raises(KeyStoreError, match="noise must be a P-256 public key in PEM"):
        onecard("provision", "--code", noise, "--root", noise, *where)
