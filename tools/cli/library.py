"""``onecard library``: what the library's system was told afterwards, item by item, and what a person must settle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from agent.sip2.reasons import NEEDS_A_PERSON, UploadReason
from agent.words import say
from offline_store.loans import Loan, latest
from profiles.loans import Act, Mode
from tools.cli.place import existing, state_dir_option
from tools.cli.times import local

DEFAULT_ROWS = 200
MAX_ROWS = 20_000
_ACTS = {Act.CHECKOUT: ("借", "loan"), Act.CHECKIN: ("还", "return"), Act.RENEW: ("续借", "renewal")}
_RESULTS = {reason.code: reason for reason in UploadReason}
_OPEN = frozenset(reason.code for reason in NEEDS_A_PERSON)


@click.group(
    help=say(
        "图书馆：事后向其补登的借还，以及核对的结果", "The library: what it is told afterwards, and what became of it"
    )
)
def library() -> None:
    """Hold the commands about loans."""


@library.command(
    help=say(
        "补登清单：每件馆藏何时借还、图书馆系统是否已接受；需人工核对的以“!”标出",
        "Item by item: what happened when, and whether the library has taken it; '!' is for a person to settle",
    )
)
@state_dir_option
@click.option("--open", "only_open", is_flag=True, help=say("只列未了结的", "Only what is not settled"))
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_ROWS),
    default=DEFAULT_ROWS,
    show_default=True,
    help=say("最近多少件", "How many of the latest"),
)
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
def reconcile(state_dir: Path, only_open: bool, limit: int, as_json: bool) -> None:
    """Read the list beside a running terminal; nothing is changed."""
    rows = latest(existing(state_dir), MAX_ROWS)
    shown = [row for row in rows if not only_open or is_open(row)][-limit:]
    if as_json:
        for row in shown:
            click.echo(json.dumps(dataclasses.asdict(row) | {"id": row.id.hex()}))
        return
    if not rows:
        click.echo(say("这台终端没有要补登的借还", "this terminal has no loans or returns to tell a library of"))
        return
    for row in shown:
        click.echo(_line(row))
    waiting = sum(row.result is None for row in rows)
    needed = sum(row.result in _OPEN for row in rows)
    click.echo(
        say(
            f"共 {len(rows)} 件：待补登 {waiting}，需人工核对 {needed}",
            f"{len(rows)} in all: {waiting} wait to be told, {needed} for a person to settle",
        )
    )


def is_open(row: Loan) -> bool:
    """Whether it waits for the library or for a person."""
    return row.result is None or row.result in _OPEN


def _line(row: Loan) -> str:
    act = say(*_ACTS[Act(row.act)])
    mark = "!" if row.result in _OPEN else " "
    patron = f"  {row.patron}" if row.patron else ""
    return f"{mark} {local(row.at_ms)}  {act}  {row.item}{patron}  {_words(row)}"


def _words(row: Loan) -> str:
    if row.result is None:
        if row.mode == Mode.LOOK:
            return say("待核对", "waits to be looked up")
        if row.mode == Mode.WITHDRAW:
            return say("待撤回", "waits to be withdrawn")
        return say("待补登", "waits to be told")
    reason = _RESULTS.get(row.result)
    return row.result if reason is None else say(reason.technician.zh, reason.technician.en)
