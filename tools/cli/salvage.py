"""``onecard salvage``: what a dead box had not told the platform, from its disk."""

from __future__ import annotations

import json
import sys
import tempfile
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

import click

from agent.keys import KeyStoreError
from agent.stick_files import StickError, shown
from agent.words import say, tell
from offline_store.errors import StoreError
from tools.cli.bundle_files import json_option
from tools.cli.progress import bar
from tools.cli.stick import terminal_of
from tools.cli.times import local
from tools.salvage import Missing, NoJournal, NotToBeWritten, Salvaged, State, find, salvage, take_copy


class Exit(IntEnum):
    """What a script is told. 2 is also what every command says of options that it does not know."""

    WHOLE = 0
    SAVED = 1
    NOT_TO_BE_WRITTEN = 2
    NO_JOURNAL = 3
    NOTHING = 4
    FAILED = 5


_ENDS = {State.WHOLE: Exit.WHOLE, State.SAVED: Exit.SAVED, State.NOTHING: Exit.NOTHING}
_SHOWN_SPANS = 8


@click.command(
    help=say(
        "从坏掉的终端的磁盘（只读）取出日志，把平台未确认而还能读出的记录写入文件，供"
        " onecard platform import --salvaged 接收。退出码：0 完整；1 有损坏但已救出；2 用法不对，或文件已存在、在该磁盘"
        "上；3 没有日志或不止一个；4 一条记录也读不出；5 无法复制或写入",
        "Bring the journal out of a dead box's disk, which is only read: what the platform had not acknowledged and can"
        " still be read goes into a file for `onecard platform import --salvaged`. Exit code 0: whole; 1: damaged, but"
        " saved; 2: called wrongly, or the file is there already or on that disk; 3: no journal, or several; 4: not one"
        " record can be read; 5: could not be copied or written",
    )
)
@click.argument(
    "disk",
    metavar=say("磁盘或目录", "DISK_OR_DIR"),
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--to",
    "file",
    metavar=say("文件", "FILE"),
    required=True,
    type=click.Path(path_type=Path),
    help=say("写入此文件，不得已存在", "Where it goes: a new file"),
)
@json_option
def command(disk: Path, file: Path, as_json: bool) -> None:
    """Copy, read, save, and say what became of it."""
    try:
        state_dir = find(disk)
        _check_elsewhere(file, disk)
        with tempfile.TemporaryDirectory(prefix="onecard-salvage-") as name:
            copy = Path(name)
            with bar(say("正在复制日志", "copying the journal")) as told:
                take_copy(state_dir, copy, told)
            with bar(say("正在读取记录", "reading its records")):
                done = salvage(copy, file)
    except NoJournal as error:
        _end(error, Exit.NO_JOURNAL)
    except NotToBeWritten as error:
        _end(error, Exit.NOT_TO_BE_WRITTEN)
    except (StickError, StoreError) as error:
        _end(error, Exit.FAILED)
    if as_json:
        click.echo(json.dumps(_facts(done, state_dir, file)))
    else:
        _tell(done, state_dir, file)
    sys.exit(_ENDS[done.state])


def _end(error: StickError | StoreError, code: Exit) -> NoReturn:
    click.echo(tell(error), err=True)
    sys.exit(code)


def _check_elsewhere(file: Path, disk: Path) -> None:
    if file.resolve().is_relative_to(disk.resolve()):
        raise NotToBeWritten(file, "在要读取的磁盘上，那里什么也不写", "is on the disk that is only to be read")


def _terminal(state_dir: Path) -> str:
    """The name in the certificate on the disk, as far as it can be read."""
    try:
        return shown(terminal_of(state_dir))
    except KeyStoreError:
        return "ID"


def _facts(done: Salvaged, state_dir: Path, file: Path) -> dict[str, Any]:
    return {
        "state": done.state.value,
        "journal": str(state_dir),
        "terminal": _terminal(state_dir),
        "records": done.records,
        "doubtful": done.doubtful,
        "openings_only_counted": done.openings,
        "first_ms": done.first_ms,
        "last_ms": done.last_ms,
        "missing": [
            {"chain": missing.chain_id.hex(), "first": missing.first, "last": missing.last} for missing in done.missing
        ],
        "file": str(file) if done.records else None,
    }


def _tell(done: Salvaged, state_dir: Path, file: Path) -> None:
    name = shown(state_dir)
    words = {
        State.WHOLE: (f"{name}：日志完好", f"{name}: the journal is sound"),
        State.SAVED: (f"{name}：日志已损坏", f"{name}: the journal is damaged"),
        State.NOTHING: (f"{name}：一条记录也读不出", f"{name}: not one record can be read"),
    }
    click.echo(say(*words[done.state]))
    if done.missing:
        count = sum(missing.last - missing.first + 1 for missing in done.missing)
        spans = _spans(done.missing)
        click.echo(say(f"其间读不出 {count} 条：{spans}", f"not readable among them: {count} ({spans})"))
    if done.doubtful:
        click.echo(
            say(
                f"与后一条不符（可能被改动）：{done.doubtful} 条，已单独写入",
                f"not what the next one names, perhaps altered: {done.doubtful}; each is in the file by itself",
            )
        )
    if done.openings:
        click.echo(
            say(
                f"只计数、没有记录的开门：{done.openings} 次，请记入处理结果",
                f"openings that were only counted: {done.openings}; no record tells of them, so write it down",
            )
        )
    if not done.records:
        click.echo(say("没有平台缺少的记录，没有写入文件", "no record that the platform lacks; no file is written"))
        return
    begin, end = local(done.first_ms or 0), local(done.last_ms or 0)
    terminal = _terminal(state_dir)
    click.echo(
        say(
            f"平台未确认的 {done.records} 条（{begin} 至 {end}）已写入 {shown(file)}；"
            f"在平台：onecard platform import --salvaged --terminal {terminal} {shown(file.name)}",
            f"{done.records} that the platform had not acknowledged ({begin} to {end}) are in {shown(file)}; at the"
            f" platform: onecard platform import --salvaged --terminal {terminal} {shown(file.name)}",
        )
    )


def _spans(missing: list[Missing]) -> str:
    spans = [f"{each.first}–{each.last}" if each.last > each.first else f"{each.first}" for each in missing]
    more = ["…"] if len(spans) > _SHOWN_SPANS else []
    return say("、", ", ").join(spans[:_SHOWN_SPANS] + more)
