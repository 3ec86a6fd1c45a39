"""``onecard doctor``: what is broken, and the one next step that mends it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click

from agent.config import ConfigError, Resolved
from agent.words import say, tell
from tools.cli.asking import agreed
from tools.cli.bench_process import BenchError, use_running_devices
from tools.cli.place import NoTerminal, config_options, installed, resolve
from tools.doctor import installation, relay, report, shown_code
from tools.doctor.examine import CHECKS, examine
from tools.doctor.finding import Finding, Verdict, fail
from tools.doctor.patient import Patient, meet
from tools.owner import as_owner

_WORDS = {
    Verdict.OK: ("正常", "ok", "green"),
    Verdict.UNKNOWN: ("未知", "?", "blue"),
    Verdict.WARN: ("注意", "warn", "yellow"),
    Verdict.FAIL: ("故障", "FAIL", "red"),
}
_EXIT_CODES = {Verdict.OK: 0, Verdict.UNKNOWN: 0, Verdict.WARN: 3, Verdict.FAIL: 1}


@click.command(
    help=say(
        "检查终端的每一部分，说出哪里坏了、下一步做什么。终端运行时不碰它的设备。退出码：0 正常，1 有故障，3 仅需注意",
        "Check every part of a terminal; say what is broken and the next step that mends it. Beside a running agent its"
        " devices are not touched. Exit code 0: all is well, 1: something is broken, 3: warnings only",
    )
)
@config_options
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
@click.option(
    "--deep",
    is_flag=True,
    help=say("不限时间：检查整个数据库和整条链", "Walk the whole database and chain, however long"),
)
@click.option(
    "--click",
    "clicks",
    is_flag=True,
    help=say("逐个接通继电器输出（先询问，先记录）", "Try the board's outputs, asking and recording first"),
)
@click.option(
    "--code",
    "code_s",
    type=click.IntRange(1, 300),
    help=say("显示测试码，等待这么多秒", "Show a test code, and wait so many seconds for it"),
)
@click.option("--yes", is_flag=True, help=say("不再询问", "Do not ask"))
@click.option(
    "--report",
    "bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    help=say("写出支持文件（不含个人信息和密钥）", "Write a file for support, without personal data or keys"),
)
def doctor(
    config: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
    deep: bool,
    clicks: bool,
    code_s: int | None,
    yes: bool,
    bundle: Path | None,
) -> None:
    """Examine, ask before anything moves, tell. On a terminal that is installed, that one needs no name."""
    try:
        if config is None and preset is None:
            config = installed()
        resolved = resolve(config, preset, overrides)
    except (ConfigError, NoTerminal) as error:
        findings = list(
            installation.invalid(error)
            if isinstance(error, ConfigError)
            else [fail("config", error.fault, error.said, error.remedy)]
        )
        if bundle is not None:
            report.store(bundle, report.pages(None, findings))
        _tell(findings, as_json=as_json)
        raise SystemExit(_exit_code(findings)) from None
    with suppress(BenchError):
        use_running_devices(resolved.config.terminal.id)
    with as_owner(resolved.config.terminal.state_dir):
        patient, findings = _examine(resolved, config, deep=deep)
        if clicks:
            findings += _click(patient, yes=yes)
        if code_s is not None:
            findings += _show(patient, code_s)
        pages = report.pages(patient, findings) if bundle is not None else {}
    if bundle is not None:
        report.store(bundle, pages)
    _tell(findings, as_json=as_json)
    raise SystemExit(_exit_code(findings))


def _examine(resolved: Resolved, config: Path | None, *, deep: bool) -> tuple[Patient, list[Finding]]:
    patient = meet(resolved, config, deep=deep)
    return patient, examine(patient)


def _click(patient: Patient, *, yes: bool) -> list[Finding]:
    found = []
    for board, output in relay.outputs(patient):
        question = say(
            f"通道内无人？接通 {board} 的 {output}（{relay.PULSE_MS} 毫秒）",
            f"Does nobody stand in the way? Switch {output} of {board} on for {relay.PULSE_MS} ms",
        )
        if patient.runs or yes or agreed(question, err=True):
            found.append(relay.press(patient, board, output))
    return found


def _show(patient: Patient, wait_s: int) -> list[Finding]:
    if not shown_code.readers(patient):
        return []
    from tools.cli.qr import symbol

    code = shown_code.new_code()
    if not patient.runs:
        click.echo(
            say(
                "请把此码拍下来，举到每个摄像头和扫码器前",
                "photograph this code, and hold it before each camera and scanner",
            ),
            err=True,
        )
        symbol(code).terminal(out=sys.stderr, compact=True)
    return shown_code.wait_for(patient, code, float(wait_s))


def _tell(findings: Iterable[Finding], *, as_json: bool) -> None:
    findings = list(findings)
    if as_json:
        worst = _worst(findings)
        click.echo(
            json.dumps(
                {"verdict": worst.value, "findings": [report.row(each) for each in findings]}, ensure_ascii=False
            )
        )
        return
    for finding in findings:
        for line in _lines(finding):
            click.echo(line, color=False if os.environ.get("NO_COLOR") else None)


def _lines(finding: Finding) -> list[str]:
    zh, en, colour = _WORDS[finding.verdict]
    mark = click.style(f"{say(zh, en):<4}", fg=colour)
    what = say(CHECKS[finding.check].zh, CHECKS[finding.check].en)
    about = f" {finding.about}" if finding.about else ""
    lines = [f"{mark}  {what}{about}{say('：', ': ')}{tell(finding.said)}"]
    if finding.remedy is not None:
        lines.append(f"      → {tell(finding.remedy)}")
    return lines


def _worst(findings: Iterable[Finding]) -> Verdict:
    order = list(_EXIT_CODES)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.OK)


def _exit_code(findings: Iterable[Finding]) -> int:
    return _EXIT_CODES[_worst(findings)]
