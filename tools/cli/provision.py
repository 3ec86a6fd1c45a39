"""``onecard provision``: one command that turns a bare box into a terminal of its platform."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from agent import cose
from agent.config import load
from agent.enrolment.code import PREFIX
from agent.private_files import KeyStoreError
from agent.process_guard import keep_secrets_in
from agent.words import say, tell
from tools.cli.bench_process import use_running_devices
from tools.cli.provision_scan import scanned
from tools.cli.provision_steps import Plan, Provisioning, Step, StepFailed
from tools.owner import act_as_owner
from tools.small_files import read_small

_SYSTEM_CONFIG, _SYSTEM_STATE = Path("/etc/onecard"), Path("/var/lib/onecard")
_PATIENCE_S = 600.0
_LONG_S = 120.0
"""From here on a time is told in minutes."""
_MAX_CODE_CHARS = 64 * 1024


class _CodeFile(click.File):
    """A file with a code. What was given in its place is told nowhere, as it may be the code itself."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value != "-":
            if _is_code(value):
                self.fail(
                    say(
                        "这里应是存放注册码的文件，或 - 表示标准输入；命令行对其他用户可见，不要写注册码本身",
                        "a file with the code belongs here, or - for standard input; other users see command lines, so"
                        " do not write the code itself",
                    ),
                    param,
                    ctx,
                )
            if not os.path.exists(value):  # noqa: PTH110 -- a name may be too long for a path
                self.fail(
                    say(
                        "没有这个文件；请给出存放注册码的文件，或 - 表示标准输入",
                        "there is no such file; give one that holds the code, or - for standard input",
                    ),
                    param,
                    ctx,
                )
        return super().convert(value, param, ctx)


def _is_code(text: str) -> bool:
    return "".join(text.split()).upper().startswith(PREFIX)


@click.command(
    help=say(
        "用注册码把这台设备变成平台的终端。中断后再运行一次即可继续。",
        "Turn this box into a terminal of the platform, by an enrolment code. Interrupted, run it again: it goes on.",
    ),
    context_settings={"allow_extra_args": True},  # refused below, and not repeated as click would
)
@click.option(
    "--code",
    "code_file",
    type=_CodeFile("r", encoding="utf-8", errors="replace"),
    help=say(
        "存放注册码的文件，- 为标准输入（默认：询问；标准输入不是终端时从中读取）",
        "A file with the code, - for standard input (default: it asks, or reads what is piped in)",
    ),
)
@click.option(
    "--scan",
    is_flag=True,
    help=say("用配置中的扫码器或摄像头读取注册码", "Read the code by the box's own scanner or camera"),
)
@click.option("--reader", help=say("用哪个扫码器（默认：第一个）", "Which scanner (default: the first)"))
@click.option(
    "--switch",
    metavar=say("继电器板.输入", "BOARD.INPUT"),
    help=say("维护开关：打开时注册码才算数", "The service switch: a code counts only while it is on"),
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help=say("配置文件的位置，已有的会保留", "Where the configuration is, or goes; one that is there stays"),
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help=say("日志和密钥的目录", "Where journal and keys live"),
)
@click.option(
    "--root",
    "root_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=say("只信任这把根公钥（PEM）签发的注册码", "Believe codes of this root key (PEM) only"),
)
@click.option(
    "--wait-s",
    type=click.FloatRange(1, 86_400),
    default=_PATIENCE_S,
    show_default=True,
    help=say("等待平台核对指纹的秒数", "Seconds to wait for the fingerprint's confirmation"),
)
@click.option(
    "--overwrite", is_flag=True, help=say("用平台下发的配置替换已有的", "Replace the configuration that is there")
)
@click.option(
    "--fresh-keys",
    is_flag=True,
    help=say("先销毁已有的密钥，重新生成", "Destroy the keys that are there, and make new ones"),
)
@click.option("--no-test", is_flag=True, help=say("不试运行", "Do not try it"))
@click.option("--virtual", is_flag=True, help=say("试运行时使用虚拟设备", "Try it on virtual devices"))
@click.option("--yes", is_flag=True, help=say("不询问，用默认值", "Ask nothing, take the defaults"))
@click.option("--json", "as_json", is_flag=True, help=say("每步输出一行 JSON", "One line of JSON a step"))
def provision(
    code_file: Any,
    scan: bool,
    reader: str | None,
    switch: str | None,
    config: Path | None,
    state_dir: Path | None,
    root_files: tuple[Path, ...],
    wait_s: float,
    overwrite: bool,
    fresh_keys: bool,
    no_test: bool,
    virtual: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Ask for what is missing, then take the steps; exit code 1 if one of them fails."""
    keep_secrets_in()
    if click.get_current_context().args:
        raise click.UsageError(
            say(
                "没有不带选项的参数：注册码用 --code 文件 给出，或用 --code - 从标准输入读取",
                "nothing stands here without an option: the code comes by --code FILE, or --code - for standard input",
            )
        )
    if not yes and None in (config, state_dir) and not sys.stdin.isatty():
        raise click.UsageError(
            say(
                "标准输入不是终端，无法询问：请给出 --config 和 --state-dir，或用 --yes 取默认值；"
                "注册码从标准输入读取，或用 --code 文件",
                "standard input is no terminal, so nothing can be asked: give --config and --state-dir, or --yes for"
                " the defaults; the code is read from standard input, or from --code FILE",
            )
        )
    config = config or _asked(say("配置文件", "Configuration file"), _default_config(), yes=yes)
    state_dir = state_dir or _asked(say("状态目录", "State directory"), _default_state(config), yes=yes)
    owner = act_as_owner(state_dir)
    roots = frozenset(map(_root, root_files))
    plan = Plan(config, state_dir, roots, wait_s, overwrite, fresh_keys, not no_test, virtual, owner)
    teller = _Teller(wait_s, as_json=as_json)
    run = Provisioning(plan, teller.done, teller.waits)
    try:
        pending = run.pending() is not None
        text = _scanned(config, reader, switch, wait_s) if scan and not pending else _code_text(code_file, run, yes=yes)
        run.run(text)
    except StepFailed as failed:
        teller.failed(failed)
        sys.exit(1)
    teller.over(config, ran=plan.tests, virtual=plan.virtual)


def _root(file: Path) -> bytes:
    """The ``kid`` of a root key. Raises :class:`KeyStoreError`."""
    try:
        return cose.VerifyKey.from_pem(read_small(file)).kid
    except cose.CoseError as error:
        zh, en = f"{file} 应为 P-256 公钥（PEM）", f"{file} must be a P-256 public key in PEM"
        raise KeyStoreError(zh, en) from error


def _scanned(config: Path, reader: str | None, switch: str | None, wait_s: float) -> str:
    if switch is None and not sys.stdin.isatty():
        raise click.UsageError(
            say(
                "无人值守时，扫码注册需要维护开关：--switch 继电器板.输入",
                "where nobody sits at the box, a scanned code needs the service switch: --switch BOARD.INPUT",
            )
        )
    use_running_devices(load(config).config.terminal.id)
    return scanned(config, reader, switch, wait_s, lambda told: click.echo(told, err=True))


def _code_text(code_file: Any, run: Provisioning, *, yes: bool) -> str | None:
    """The code, or ``None`` to go on with the one of an earlier run."""
    if code_file is not None:
        return str(code_file.read(_MAX_CODE_CHARS)).strip()
    pending = run.pending()
    if pending is not None and yes:
        return None
    if not sys.stdin.isatty():
        piped = sys.stdin.read(_MAX_CODE_CHARS).strip()
        if not piped:
            raise click.UsageError(
                say(
                    "标准输入中没有注册码：请用 --code 文件 给出，或用 --yes 继续上次的注册",
                    "standard input holds no code: give --code FILE, or --yes to go on with an earlier run",
                )
            )
        return piped
    goes_on = pending is not None and say(f"继续注册 {pending.terminal}？", f"Go on with {pending.terminal}?")
    if goes_on and click.confirm(goes_on, default=True):
        return None
    if yes:
        raise click.UsageError(say("请用 --code 给出注册码", "give the code with --code"))
    return str(click.prompt(say("注册码", "Enrolment code"), hide_input=True))


class _Teller:
    """Says what happens: sentences, or lines of JSON."""

    def __init__(self, wait_s: float, *, as_json: bool) -> None:
        zh, en = (f"{wait_s:g} 秒", f"{wait_s:g} s")
        if wait_s >= _LONG_S:
            zh, en = (f"{wait_s / 60:.0f} 分钟", f"{wait_s / 60:.0f} minutes")
        self._time = say(zh, en)
        self._as_json = as_json

    def done(self, step: Step, told: Mapping[str, Any]) -> None:
        """A step came about."""
        if self._as_json:
            self._line({"step": step.code, "state": "done", **told})
            return
        number = f"[{list(Step).index(step) + 1}/{len(Step)}]"
        click.echo(f"{number} ✓ {tell(step)}{_details(step, told)}")

    def waits(self, fingerprint: str) -> None:
        """A person has to compare."""
        if self._as_json:
            self._line({"step": Step.ASK.code, "state": "waits", "fingerprint": fingerprint})
            return
        click.echo(
            say(
                f"    请把指纹报给平台操作员核对：\n    {fingerprint}\n    等待 {self._time}；中断后再运行一次即可继续",
                f"    Tell the platform's operator this fingerprint:\n    {fingerprint}\n"
                f"    It waits {self._time}; interrupted, run it again: it goes on",
            )
        )

    def failed(self, failed: StepFailed) -> None:
        """A step did not come about."""
        if self._as_json:
            self._line(
                {"step": failed.step.code, "state": "failed", "code": failed.code, "zh": failed.zh, "en": failed.en}
            )
            return
        number = f"[{list(Step).index(failed.step) + 1}/{len(Step)}]"
        click.echo(f"{number} ✗ {tell(failed.step)}{say('：', ': ')}{tell(failed)}", err=True)

    def over(self, config: Path, *, ran: bool, virtual: bool) -> None:
        """All is done."""
        if self._as_json:
            self._line({"enrolled": True, "config": str(config), "tested": ran})
            return
        installed = config.resolve().parent == _SYSTEM_CONFIG
        start = (
            "systemctl restart onecard"
            if installed
            else f"onecard run --config {config}{' --virtual' if virtual else ''}"
        )
        click.echo(say(f"完成。运行终端：{start}", f"Done. Run the terminal: {start}"))

    @staticmethod
    def _line(told: Mapping[str, Any]) -> None:
        click.echo(json.dumps(told, ensure_ascii=False))
        sys.stdout.flush()


def _details(step: Step, told: Mapping[str, Any]) -> str:
    if step is Step.CODE:
        return say(f"：{told['terminal']}", f": {told['terminal']}")
    if step is Step.KEYS and not told["bound_to"]:
        return say(
            "（本机没有可绑定的标识，密钥可被复制）", " (nothing on this machine to bind them to: they can be copied)"
        )
    if step is Step.CONFIGURE:
        kept = say("保留", "kept") if told["kept"] else say("写入", "written")
        return say(f"：{kept} {told['file']}", f": {kept}, {told['file']}")
    return ""


def _asked(what: str, default: Path, *, yes: bool) -> Path:
    return default if yes else Path(click.prompt(what, default=str(default), value_proc=_no_code))


def _no_code(typed: str) -> str:
    if _is_code(typed):
        raise click.UsageError(say("这是注册码；稍后才会询问", "this is a code; it is asked for afterwards"))
    return typed


def _default_config() -> Path:
    home = _SYSTEM_CONFIG if os.access(_SYSTEM_CONFIG, os.W_OK) else Path.cwd()
    return home / "terminal.yaml"


def _default_state(config: Path) -> Path:
    return _SYSTEM_STATE if os.access(_SYSTEM_STATE, os.W_OK) else config.resolve().parent / "state"
