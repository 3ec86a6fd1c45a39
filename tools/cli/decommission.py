"""``onecard decommission``: a terminal that leaves service forgets everything, its keys first."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import click

from agent.composition import keys_dir
from agent.keys import FileKeyStore
from agent.words import say, why_en, why_zh
from offline_store.database import DATABASE_NAME
from offline_store.lock import take_lock
from offline_store.outbox import Outbox
from tools.cli.place import existing, state_dir_option


@click.command(
    help=say(
        "终端退役：先销毁密钥，再删除日志和名单。平台一侧用 onecard platform terminal retire。",
        "Take a terminal out of use: destroy its keys, then its journal and lists. At the platform: `onecard platform"
        " terminal retire`.",
    )
)
@state_dir_option
@click.option("--with-unsent", is_flag=True, help=say("未上传的记录一并删除", "Also what the platform has not got yet"))
@click.option("--yes", is_flag=True, help=say("不询问", "Do not ask"))
def decommission(state_dir: Path, with_unsent: bool, yes: bool) -> None:
    """Keys first: what is cut short after that is of use to nobody. Run it again, and it goes on."""
    lock = take_lock(existing(state_dir))
    try:
        unsent = _unsent(state_dir)
        if unsent and not with_unsent:
            raise click.ClickException(
                say(
                    f"还有 {unsent} 条记录平台没有收到：请先联网，或用 onecard journal export 导出；"
                    "确实不要了，请加 --with-unsent",
                    f"the platform lacks {unsent} records: connect it, or take them by `onecard journal export`;"
                    " to lose them, add --with-unsent",
                )
            )
        sure = say(f"销毁 {state_dir} 中的密钥和日志？", f"Destroy keys and journal in {state_dir}?")
        if not yes and not click.confirm(sure):
            raise click.Abort
        if os.path.lexists(keys_dir(state_dir)):
            FileKeyStore(keys_dir(state_dir)).wipe()
        try:
            shutil.rmtree(state_dir)
        except OSError as error:
            zh, en = f"{error.filename}：{why_zh(error)}", f"{error.filename}: {why_en(error)}"
            raise click.ClickException(say(zh, en)) from error
    finally:
        os.close(lock)
    click.echo(say(f"{state_dir} 已清除", f"{state_dir} is gone"))


def _unsent(state_dir: Path) -> int:
    """What the platform has not acknowledged; nothing where there is no journal."""
    if not (state_dir / DATABASE_NAME).exists():
        return 0
    with closing(Outbox.open(state_dir)) as outbox:
        position = outbox.position()
    return position.head_seq - position.acked_seq
