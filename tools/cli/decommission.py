"""``onecard decommission``: a terminal that leaves service forgets everything, its keys first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import click

from agent.clock import SystemRandom
from agent.composition import keys_dir
from agent.kernel_time import boot_id
from agent.keys import FileKeyStore
from agent.permits.acts import ServiceAct
from agent.permits.place import SAVED_PLACE, place_of
from agent.timekeeper import SAVED_KEY
from agent.trusted_clock import TrustedClock
from agent.words import say, why_en, why_zh
from offline_store.database import DATABASE_NAME
from offline_store.journal import Append, Journal
from offline_store.lock import take_lock
from offline_store.marks import Mark
from offline_store.outbox import Outbox
from offline_store.saved import saved_value
from profiles.reasons import counted
from tools.cli.asking import sure
from tools.cli.clock import recall
from tools.cli.permits import are_asked_for_at, ask_beside
from tools.cli.place import existing, named_state_dir_option
from tools.own_files import is_a_terminals, remove_own
from tools.owner import act_as_owner

_GRANTED, _WIPE = "permit.granted", ServiceAct.WIPE.code.encode()
_GRANTED_MS = 86_400_000


@click.command(
    help=say(
        "终端退役：先销毁密钥，再删除日志和名单。然后在平台一侧用 onecard platform terminal retire；"
        "先撤销则未上传的记录无法再上传。",
        "Take a terminal out of use: destroy its keys, then its journal and lists. Afterwards, at the platform:"
        " `onecard platform terminal retire`; what is retired before sends no more of what waits.",
    )
)
@named_state_dir_option
@click.option("--with-unsent", is_flag=True, help=say("未上传的记录一并删除", "Also what the platform has not got yet"))
@click.option("--yes", is_flag=True, help=say("不询问", "Do not ask"))
def decommission(state_dir: Path, with_unsent: bool, yes: bool) -> None:
    """Keys first: what is cut short after that is of use to nobody. Run it again, and it goes on."""
    state_dir = _checked(state_dir)
    owner = act_as_owner(state_dir)
    unsent = _unsent(state_dir)
    if unsent and not with_unsent:
        raise click.ClickException(
            say(
                f"还有 {unsent} 条记录平台没有收到：请先联网，或用 onecard journal export 导出；"
                "确实不要了，请加 --with-unsent",
                f"the platform lacks {counted(unsent, 'record')}: connect it, or take them by `onecard journal export`;"
                " to lose them, add --with-unsent",
            )
        )
    terminal = _terminal(state_dir)
    _agreed(state_dir, terminal, yes=yes)
    lock = take_lock(state_dir)
    try:
        if not with_unsent and _unsent(state_dir):
            click.echo(
                say(
                    "日志已记下凭谁的许可，还没有销毁任何东西。请启动终端，等平台收到，然后在一天之内再运行一次本命令",
                    "By whose permits it shall be is in the journal; nothing is destroyed yet. Now start the terminal"
                    " until the platform has that record, stop it, and run this command again within a day.",
                ),
                err=True,
            )
            raise SystemExit(1)  # the first half, as it should be; but nobody may take it for the whole
        if os.path.lexists(keys_dir(state_dir)):
            FileKeyStore(keys_dir(state_dir)).wipe()
        with _told(state_dir):
            left = remove_own(state_dir)
    finally:
        os.close(lock)
    if left:
        zh, en = "、".join(left), ", ".join(left)
        click.echo(
            say(
                f"终端的密钥和数据已清除；{state_dir} 中不属于终端的已保留：{zh}",
                f"the terminal's keys and data are gone; left in {state_dir}, as no terminal made it: {en}",
            )
        )
    else:
        with _told(state_dir), nullcontext() if owner is None else owner.as_root():
            state_dir.rmdir()
        click.echo(say(f"{state_dir} 已清除", f"{state_dir} is gone"))
    retire = f"onecard platform terminal retire {terminal or 'ID'}"
    click.echo(say(f"然后在平台运行：{retire}", f"now, at the platform: {retire}"))


def _checked(state_dir: Path) -> Path:
    """The directory itself, which a terminal has used: whatever else somebody names by a slip of the hand stays."""
    if existing(state_dir).is_symlink():
        to = state_dir.resolve()
        raise click.ClickException(
            say(
                f"{state_dir} 是指向 {to} 的链接，不会顺着链接删除；请用 --state-dir 指定目录本身",
                f"{state_dir} is a link to {to}, and nothing is removed through links; name the directory itself"
                " with --state-dir",
            )
        )
    if not is_a_terminals(state_dir):
        raise click.ClickException(
            say(
                f"{state_dir} 中没有终端的日志，也没有密钥，没有删除任何东西；请检查目录",
                f"{state_dir} holds neither a terminal's journal nor its keys, and nothing was removed; check its name",
            )
        )
    return state_dir.resolve()


@contextmanager
def _told(state_dir: Path) -> Iterator[None]:
    """What the disk objects to is a sentence."""
    try:
        yield
    except OSError as error:
        path = error.filename or state_dir
        raise click.ClickException(say(f"{path}：{why_zh(error)}", f"{path}: {why_en(error)}")) from error


def _agreed(state_dir: Path, terminal: str | None, *, yes: bool) -> None:
    """Permits first, then what goes and whether it shall, and only then the record of it: whoever is refused, or
    thinks better of it, leaves none.

    Permits count for a day, so that the platform can be told before the terminal goes.
    """
    if not are_asked_for_at(state_dir):
        _sure(state_dir, terminal, yes=yes)
        return
    clock, random = TrustedClock(), SystemRandom()
    with closing(Journal.open(state_dir, boot_id(), clock=clock, random=random)) as journal:
        recall(clock, journal.load_saved().get(SAVED_KEY))
        answer = (
            None if _is_granted(journal, clock.now_ms()) else ask_beside(journal, state_dir, clock, ServiceAct.WIPE)
        )
        _sure(state_dir, terminal, yes=yes)
        if answer is not None and answer.entry is not None:
            mark = Mark(_GRANTED, _WIPE, 1, clock.now_ms() + _GRANTED_MS)
            journal.append([Append((answer.entry,), marks=(*answer.marks, mark))])


def _is_granted(journal: Journal, now_ms: int) -> bool:
    granted = (mark for mark in journal.load_marks(now_ms) if (mark.scope, mark.key) == (_GRANTED, _WIPE))
    return any(0 < mark.expires_ms - now_ms <= _GRANTED_MS for mark in granted)


def _sure(state_dir: Path, terminal: str | None, *, yes: bool) -> None:
    """Say what goes, and ask. Raises ``Abort``."""
    zh, en = (f"（终端 {terminal}）", f" (terminal {terminal})") if terminal else ("", "")
    records, unsent = _records(state_dir), _unsent(state_dir)
    click.echo(
        say(
            f"将销毁 {state_dir}{zh}中的：密钥；日志（{records} 条记录，其中 {unsent} 条平台没有收到）；"
            "名单和平台下发的配置。此后没有人能恢复。",
            f"What goes from {state_dir}{en}: the keys; the journal, {counted(records, 'record')}, of which the"
            f" platform lacks {unsent}; lists, and the platform's configuration. Nobody can bring them back.",
        )
    )
    if not yes:
        sure(say("销毁吗？", "Destroy them?"))


def _terminal(state_dir: Path) -> str | None:
    """Its id, if it was ever started; the place of one that has gone half tells it no more."""
    place = place_of(saved_value(state_dir, SAVED_PLACE))
    return None if place is None else place.terminal


def _records(state_dir: Path) -> int:
    if not (state_dir / DATABASE_NAME).exists():
        return 0
    with closing(Outbox.open(state_dir)) as outbox:
        return outbox.numbers().records


def _unsent(state_dir: Path) -> int:
    """What the platform has not acknowledged; nothing where there is no journal."""
    if not (state_dir / DATABASE_NAME).exists():
        return 0
    with closing(Outbox.open(state_dir)) as outbox:
        position = outbox.position()
    return position.head_seq - position.acked_seq
