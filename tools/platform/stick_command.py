"""``onecard platform import``: what came on a stick, and the acknowledgement that goes back on it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import click

from agent import cose
from agent.stick_files import StickError, shown, write_plain
from tools.cli.progress import bar
from tools.cli.words import say, tell
from tools.platform import stick
from tools.platform.ca import Authority
from tools.platform.command_options import database_option, directory_option, json_option
from tools.platform.errors import PlatformError
from tools.platform.service import Layout, ingest_of
from tools.platform.store import Position, Store

_FILE = click.Path(path_type=Path)
ALL_ASIDE = 3


@click.command(
    name="import",
    help=say(
        "接收用 U 盘带来的记录（onecard journal export），并把回执写回 U 盘。退出码：0 全部收下，1 有错或部分另存，"
        "3 没有收下、全部另存待人决定",
        "Take records that came on a stick (onecard journal export), and write the acknowledgement back on it. Exit"
        " code 0: all is taken; 1: something is at fault, or a part was put aside; 3: nothing is taken, all is put"
        " aside for a person",
    ),
)
@click.argument("file", metavar=say("文件", "FILE"), type=_FILE)
@click.option("--terminal", "terminal_id", required=True, metavar="ID", help=say("它们属于哪个终端", "Whose they are"))
@click.option(
    "--ack",
    "ack_file",
    type=_FILE,
    help=say("回执写入此文件（默认：文件名加 .ack）", "Where the acknowledgement goes (default: FILE.ack)"),
)
@click.option(
    "--plain",
    is_flag=True,
    help=say(
        "也接收没有签名的（journal export --plain）：确知来自该终端的磁盘时使用",
        "Take what is not signed as well (journal export --plain): where you know of which disk it is",
    ),
)
@click.option(
    "--salvaged",
    is_flag=True,
    help=say(
        "onecard salvage 写出的文件：允许中间缺失，没有检查点证明的记录另存，由人决定",
        "A file of `onecard salvage`: records may be missing, and what no checkpoint proves is put aside for a person",
    ),
)
@directory_option
@database_option
@json_option
def bring(
    file: Path,
    terminal_id: str,
    ack_file: Path | None,
    plain: bool,
    salvaged: bool,
    directory: Path,
    database: str | None,
    as_json: bool,
) -> None:
    """Commit a file's parts, also while the platform runs.

    Exit code 0: all is taken; 1: something is at fault, or a part was put aside; 3: nothing is taken, all is put aside.
    """
    layout = Layout(directory)
    authority = Authority.at(layout.keys)
    customs = stick.customs_of(authority, terminal_id, plain=plain, salvaged=salvaged)
    asides: list[stick.Aside] = []
    store = Store.open(database or layout.database_url)
    fault: PlatformError | None = None
    head: Position | None
    all_aside: PlatformError | None = None
    try:
        with bar(say("正在接收", "importing")) as told:
            head = stick.bring(ingest_of(store, authority), terminal_id, file, customs, asides.append, told)
    except stick.BroughtInPart as error:
        head, fault = error.head, error
    except stick.AllAside as error:
        head, all_aside = None, error
    finally:
        store.close()
        if not as_json:
            _tell_asides(asides)
    if head is None:
        _tell_all_aside(str(all_aside), terminal_id, asides, as_json)
    ack_file = ack_file or file.with_name(f"{file.name}.ack")
    unwritten = None if salvaged else _acknowledged(head, ack_file, authority)
    _tell(head, None if salvaged else ack_file, unwritten, fault, asides, as_json)
    if fault is not None:
        raise fault
    if asides:
        raise SystemExit(1)


def _acknowledged(head: Position, ack_file: Path, authority: Authority) -> StickError | None:
    """Write what goes back; a stick that takes nothing spoils nothing: run the same again, or name another file."""
    signer = cose.Es256Signer(authority.load_ack_key())
    try:
        write_plain(ack_file, stick.acknowledgement(head, time.time_ns() // 1_000_000, signer))
    except StickError as error:
        return error
    return None


def _tell_asides(asides: Sequence[stick.Aside]) -> None:
    for aside in asides:
        span = f"{aside.first}–{aside.last}"
        if aside.kept:
            click.echo(
                say(
                    f"第 {span} 条没有检查点证明，另存为死信（onecard platform dead-letters list）；"
                    "确认属实后用 replay 收下",
                    f"records {span}: no checkpoint proves them, they are put aside (`onecard platform dead-letters"
                    " list`); once somebody vouches for them, `replay` takes them",
                )
            )
        else:
            click.echo(
                say(
                    f"第 {span} 条没有检查点证明，死信已满，没有另存：请保留文件，处理死信后再接收一次",
                    f"records {span}: no checkpoint proves them, and there is no room to put them aside: keep the file,"
                    " see to the dead letters, and import it again",
                )
            )


def _tell_all_aside(words: str, terminal: str, asides: Sequence[stick.Aside], as_json: bool) -> NoReturn:
    """Nothing is at fault, unless there was no room; and nothing is to be acknowledged."""
    if as_json:
        facts = {"terminal": terminal, "chain_id": None, "committed": 0, "ack": None}
        click.echo(json.dumps(facts | {"aside": [asdict(aside) for aside in asides], "whole": False}))
    else:
        click.echo(words)
    raise SystemExit(ALL_ASIDE if all(aside.kept for aside in asides) else 1)


def _tell(
    head: Position,
    ack_file: Path | None,
    unwritten: StickError | None,
    fault: Exception | None,
    asides: Sequence[stick.Aside],
    as_json: bool,
) -> None:
    if as_json:
        facts = {"terminal": head.terminal, "chain_id": head.chain_id.hex(), "committed": head.seq}
        facts |= {"ack": None if unwritten or ack_file is None else str(ack_file)}
        facts |= {"aside": [asdict(aside) for aside in asides], "whole": fault is None and not asides}
        click.echo(json.dumps(facts))
    else:
        click.echo(
            say(f"{head.terminal}：已提交至第 {head.seq} 条", f"{head.terminal}: committed up to record {head.seq}")
        )
        if unwritten is None and ack_file is not None:
            name = shown(ack_file)
            click.echo(
                say(
                    f"回执在 {name}，请带回终端：onecard journal acknowledge",
                    f"the acknowledgement is in {name}; at the terminal: onecard journal acknowledge",
                )
            )
    if unwritten is not None:
        raise PlatformError(
            say(
                f"记录已提交，但回执没有写成：{tell(unwritten)}。请用 --ack 另写一处。",
                f"The records are committed, the acknowledgement is not written: {tell(unwritten)}. Give it a place by"
                " --ack.",
            )
        )
