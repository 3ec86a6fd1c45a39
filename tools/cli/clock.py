"""``onecard clock``: what a terminal knows of the time, and the way back from a floor that a false time raised."""

from __future__ import annotations

import json
from pathlib import Path

import click

from agent.clock import Moment, RecordIds, SystemRandom
from agent.kernel_time import boot_id
from agent.permits.acts import ServiceAct
from agent.permits.desk import Answer
from agent.records import SERVICE, ServiceReason
from agent.timekeeper import SAVED_KEY
from agent.trusted_clock import Known, TrustedClock
from agent.words import say
from offline_store.database import DATABASE_NAME
from offline_store.journal import Append, Journal
from offline_store.record import Entry
from offline_store.saved import saved_value
from tools.cli.asking import sure
from tools.cli.permits import ask_beside
from tools.cli.place import state_dir_option
from tools.cli.standing_words import CLOCKS
from tools.cli.times import local

json_option = click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))


@click.group(help=say("终端的时钟，以及它不会低于的下限", "The terminal's clock and its floor"))
def clock() -> None:
    """Hold the clock's commands."""


@clock.command(
    help=say(
        "显示时间、可信度和下限；终端运行时为最多十分钟前所存",
        "Show time, trust and floor; of a running terminal what it saved, at most ten minutes ago",
    )
)
@state_dir_option
@json_option
def show(state_dir: Path, as_json: bool) -> None:
    """Judge the time by what is saved; nothing is written."""
    _must_exist(state_dir)
    known_clock = TrustedClock()
    recall(known_clock, saved_value(state_dir, SAVED_KEY))
    moment, known = known_clock.moment(), known_clock.known
    if as_json:
        click.echo(json.dumps(_facts(moment, known)))
        return
    click.echo(
        say(
            f"现在：{local(moment.now_ms)}，{CLOCKS[moment.state][0]}，误差至多 {moment.uncertainty_ms} 毫秒",
            f"now: {local(moment.now_ms)}, {CLOCKS[moment.state][1]}, within {moment.uncertainty_ms} ms",
        )
    )
    click.echo(say(f"下限：{_or_none(known.floor_ms)}", f"floor: {_or_none(known.floor_ms)}"))
    click.echo(say(f"最新的签名：{_or_none(known.signed_ms)}", f"newest signature: {_or_none(known.signed_ms)}"))


@clock.command(
    name="reset-floor",
    help=say(
        "把下限退回到最新的签名时间（错误的校时把它推到了将来时用）；须先停止终端，操作记入日志",
        "Lead the floor back to the newest signature, after a false time raised it; stop the terminal first."
        " The journal keeps who was there before",
    ),
)
@state_dir_option
@click.option("--yes", is_flag=True, help=say("不再询问", "Do not ask"))
@json_option
def reset_floor(state_dir: Path, yes: bool, as_json: bool) -> None:
    """Change the floor and record it in one commit."""
    _must_exist(state_dir)
    known_clock, random = TrustedClock(), SystemRandom()
    journal = Journal.open(state_dir, boot_id(), clock=known_clock, random=random)
    try:
        recall(known_clock, journal.load_saved().get(SAVED_KEY))
        old_ms = known_clock.floor_ms
        known_clock.reset_floor()
        new_ms = known_clock.floor_ms
        if new_ms < old_ms:
            # By the time as the reset leaves it: under a false one every permit would have expired.
            permitted = ask_beside(journal, state_dir, known_clock, ServiceAct.CLOCK)
            _confirm(old_ms, new_ms, yes)
            journal.append([_reset(known_clock, random, old_ms, new_ms, permitted)])
    finally:
        journal.close()
    if as_json:
        click.echo(json.dumps({"floor_ms": old_ms, "new_floor_ms": new_ms}))
    elif not old_ms:
        click.echo(say("没有时间下限，无须退回", "there is no floor, and nothing to reset"))
    elif new_ms == old_ms:
        click.echo(
            say(
                f"下限 {local(old_ms)} 来自签名，不能再低；若签名本身在将来，请让平台在线应答",
                f"the floor {local(old_ms)} is a signature's and stays; if that lies in the future, let the"
                " platform answer",
            )
        )
    else:
        click.echo(
            say(
                f"下限已从 {local(old_ms)} 退回到 {_or_none(new_ms)}",
                f"the floor went from {local(old_ms)} back to {_or_none(new_ms)}",
            )
        )


def _reset(
    known_clock: TrustedClock, random: SystemRandom, old_ms: int, new_ms: int, permitted: Answer | None
) -> Append:
    act = permitted.entry if permitted is not None else None
    entry = Entry(
        id=RecordIds(known_clock, random).new(),
        kind=SERVICE,
        reason=ServiceReason.FLOOR_RESET.code,
        time_ms=known_clock.now_ms(),
        time_quality=known_clock.state().value,
        monotonic_ms=known_clock.monotonic_ms(),
        refers_to=None if act is None else act.id,
        public={"floor_ms": old_ms, "new_floor_ms": new_ms},
    )
    saves = {SAVED_KEY: known_clock.saved(boot_id())}
    return Append((entry,) if act is None else (act, entry), saves, () if permitted is None else permitted.marks)


def _confirm(old_ms: int, new_ms: int, yes: bool) -> None:
    question = say(
        f"把下限从 {local(old_ms)} 退回到 {_or_none(new_ms)}？此后较早的截图会不会有效，只取决于现在的时间是否正确",
        f"Lead the floor from {local(old_ms)} back to {_or_none(new_ms)}? From then on old screenshots are kept out by"
        " the present time alone",
    )
    if not yes:
        sure(question)


def recall(known_clock: TrustedClock, saved: bytes | None) -> None:
    """What the terminal's clock saved; damaged knowledge is said to be so, and is none."""
    if saved is None:
        return
    try:
        known_clock.restore(saved, boot_id())
    except ValueError:
        click.echo(say("所存的时钟数据已损坏，不予采用", "what the clock saved is damaged and not used"), err=True)


def _must_exist(state_dir: Path) -> None:
    if not (state_dir / DATABASE_NAME).is_file():
        raise click.ClickException(
            say(
                f"{state_dir} 中没有终端的日志；请用 --terminal、--preset、--config 或 --state-dir 指定",
                f"there is no terminal's journal in {state_dir}; name the terminal with --terminal, --preset, --config"
                " or --state-dir",
            )
        )


def _facts(moment: Moment, known: Known) -> dict[str, object]:
    return {
        "now_ms": moment.now_ms,
        "state": moment.state.value,
        "uncertainty_ms": moment.uncertainty_ms,
        "floor_ms": known.floor_ms,
        "signed_ms": known.signed_ms,
    }


def _or_none(time_ms: int) -> str:
    return local(time_ms) if time_ms else say("无", "none")
