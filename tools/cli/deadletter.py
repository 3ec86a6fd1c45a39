"""``onecard deadletter``: what the terminal did not take, kept with its reason. The platform keeps its own."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from agent.bundles.incoming import Incoming
from agent.stick_files import shown
from agent.words import say, why_en, why_zh
from offline_store.aside import put_aside
from tools.cli import fields
from tools.cli.bundle_files import json_option
from tools.cli.place import existing, state_dir_option

WAIT_S = 10.0
_POLL_S = 0.1


@click.group(
    help=say(
        "终端没有接受而保留下来的内容：被拒的数据包、损坏的日志",
        "What the terminal did not take, and keeps: refused bundles, damaged journals",
    )
)
def deadletter() -> None:
    """Hold the commands."""


@deadletter.command(name="list", help=say("列出，附原因", "List it, with the reasons"))
@state_dir_option
@json_option
def list_refused(state_dir: Path, as_json: bool) -> None:
    """Bundles first, then journals."""
    refused = Incoming(existing(state_dir)).aside()
    journals = [(path, sum(file.lstat().st_size for file in path.iterdir())) for path in put_aside(state_dir)]
    if as_json:
        facts: dict[str, object] = {"bundles": [{"file": name, **reason} for name, reason in refused]}
        facts["journals"] = [{"directory": str(path), "size_bytes": size_bytes} for path, size_bytes in journals]
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    if not refused and not journals:
        click.echo(say("没有被拒或损坏的内容", "nothing was refused, and nothing is damaged"))
    for name, reason in refused:
        click.echo(f"{shown(name)}{say('：', ': ')}{say(reason.get('zh', '-'), reason.get('en', '-'))}")
    if refused:
        again = say("原因消除后再判一次", "once its cause is gone, have it judged again")
        click.echo(f"  → {again}{say('：', ': ')}onecard deadletter replay --all")
    for path, size_bytes in journals:
        what = say("损坏的日志", "a damaged journal")
        click.echo(f"{shown(path)}{say('：', ': ')}{what} ({fields.size(size_bytes)})")
        click.echo(f"  → onecard salvage {shown(path)} --to {shown(path.name)}.salvaged")


@deadletter.command(
    help=say("让终端再判一次被拒的数据包", "Have the terminal judge refused bundles once more"),
)
@click.argument("names", metavar=say("文件名…", "NAME…"), nargs=-1)
@click.option("--all", "everything", is_flag=True, help=say("全部", "All of them"))
@state_dir_option
@click.option(
    "--wait-s",
    type=click.FloatRange(0, 600),
    default=WAIT_S,
    show_default=True,
    help=say("最多等待的秒数", "Seconds to wait for the terminal"),
)
@json_option
def replay(names: tuple[str, ...], everything: bool, state_dir: Path, wait_s: float, as_json: bool) -> None:
    """Put them where the agent looks, and say what became of each; the exit code is 1 if one was refused again."""
    incoming = Incoming(existing(state_dir))
    refused = [name for name, _ in incoming.aside()]
    wanted = refused if everything else _known(names, refused)
    try:
        given = [incoming.again(name) for name in wanted]
    except OSError as error:
        raise click.ClickException(
            say(f"{state_dir}：无法写入（{why_zh(error)}）", f"{state_dir}: cannot be written ({why_en(error)})")
        ) from error
    if not given and not as_json:
        click.echo(say("没有被拒的数据包", "nothing was refused"))
    deadline_s = time.monotonic() + wait_s
    while any(path.exists() for path in given) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    states = [_tell(incoming, path, as_json) for path in given]
    if "refused" in states:
        raise SystemExit(1)


def _known(names: tuple[str, ...], refused: list[str]) -> list[str]:
    if not names:
        raise click.UsageError(say("请给出文件名，或 --all", "name a file, or give --all"))
    for name in names:
        if name not in refused:
            zh = f"{shown(name)} 没有被拒；请看 onecard deadletter list"
            en = f"nothing named {shown(name)} was refused; see `onecard deadletter list`"
            raise click.ClickException(say(zh, en))
    return list(dict.fromkeys(names))


def _tell(incoming: Incoming, path: Path, as_json: bool) -> str:
    reason = incoming.reason(path)
    state = "waiting" if path.exists() else "installed" if reason is None else "refused"
    if as_json:
        click.echo(json.dumps({"file": path.name, "state": state} | (reason or {}), ensure_ascii=False))
        return state
    words = {
        "waiting": ("终端运行后再判", "waits until the terminal runs"),
        "installed": ("已安装", "installed"),
        "refused": ((reason or {}).get("zh", "-"), (reason or {}).get("en", "-")),
    }
    click.echo(f"{shown(path.name)}{say('：', ': ')}{say(*words[state])}")
    return state
