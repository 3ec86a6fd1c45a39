"""``onecard decommission``: a terminal that leaves service forgets everything, its keys first."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import click

from agent.clock import SystemRandom
from agent.composition import keys_dir
from agent.kernel_time import boot_id
from agent.keys import FileKeyStore
from agent.permits.acts import ServiceAct
from agent.timekeeper import SAVED_KEY
from agent.trusted_clock import TrustedClock
from agent.words import say, why_en, why_zh
from offline_store.database import DATABASE_NAME
from offline_store.journal import Append, Journal, Mark
from offline_store.lock import take_lock
from offline_store.outbox import Outbox
from tools.cli.clock import recall
from tools.cli.permits import are_asked_for_at, ask_beside
from tools.cli.place import existing, state_dir_option

_GRANTED, _WIPE = "permit.granted", ServiceAct.WIPE.code.encode()
_GRANTED_MS = 86_400_000


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
    unsent = _unsent(existing(state_dir))
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
    _permit(state_dir)
    lock = take_lock(state_dir)
    try:
        if not with_unsent and _unsent(state_dir):
            raise click.ClickException(
                say(
                    "日志已记下凭谁的许可：请启动终端，等平台收到，然后在一天之内再运行一次本命令",
                    "the journal has now by whose permits: start the terminal until the platform has that too, then"
                    " run this command again within a day",
                )
            )
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


def _permit(state_dir: Path) -> None:
    """Have the journal say by whose permits; that counts for a day, so that the platform can be told before it goes."""
    if not are_asked_for_at(state_dir):
        return
    clock, random = TrustedClock(), SystemRandom()
    with closing(Journal.open(state_dir, boot_id(), clock=clock, random=random)) as journal:
        recall(clock, journal.load_saved().get(SAVED_KEY))
        now_ms = clock.now_ms()
        granted = (mark for mark in journal.load_marks(now_ms) if (mark.scope, mark.key) == (_GRANTED, _WIPE))
        if any(0 < mark.expires_ms - now_ms <= _GRANTED_MS for mark in granted):
            return
        answer = ask_beside(journal, state_dir, clock, ServiceAct.WIPE)
        if answer is not None and answer.entry is not None:
            mark = Mark(_GRANTED, _WIPE, 1, now_ms + _GRANTED_MS)
            journal.append([Append((answer.entry,), marks=(*answer.marks, mark))])


def _unsent(state_dir: Path) -> int:
    """What the platform has not acknowledged; nothing where there is no journal."""
    if not (state_dir / DATABASE_NAME).exists():
        return 0
    with closing(Outbox.open(state_dir)) as outbox:
        position = outbox.position()
    return position.head_seq - position.acked_seq
