"""`onecard platform dead-letters`: what could not be taken, or not be read; looked at, and tried again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import click
import sqlalchemy as sa

from agent.sync.contract import ContractError, JournalBatch
from offline_store.errors import RecordInvalid
from offline_store.record import Record
from profiles.reasons import counted
from tools.cli import fields
from tools.cli.journal import line_of, text_of
from tools.cli.times import local
from tools.cli.words import say
from tools.platform.alarms import alarm_words
from tools.platform.arrived import Arrived
from tools.platform.ca import Authority
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.dead_letters import UNPROVEN, Kind, letter, letters
from tools.platform.detail_words import detail_words
from tools.platform.diagnostic import diagnostic
from tools.platform.errors import PlatformError
from tools.platform.ingest import Ingest
from tools.platform.known import check_terminal, enrolled
from tools.platform.service import Layout, ingest_of
from tools.platform.store import Store, Transaction, record_table

_SHOWN_ID_CHARS = 12
_SHOWN_CHARS = 2_000
_MAX_DEPTH = 16


@click.group(name="dead-letters", help=say("平台未能接收或读懂的内容", "What the platform could not take, or not read"))
def dead_letter_group() -> None:
    """Hold the commands about dead letters."""


@dead_letter_group.command(name="list", help=say("列出死信", "List them"))
@click.option("--terminal", "terminal_id", metavar="ID", help=say("只看一个终端", "Of one terminal only"))
@directory_option
@database_option
@json_option
def list_letters(terminal_id: str | None, directory: Path, database: str | None, as_json: bool) -> None:
    """The oldest first."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            rows = letters(transaction, terminal_id)
            if not rows and terminal_id is not None:
                check_terminal(transaction, terminal_id, enrolled(Layout(directory).keys))
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps([_facts(row) for row in rows], ensure_ascii=False))
        return
    titles = [say("编号", "id"), say("终端", "terminal"), say("类别", "kind"), say("原因", "reason"),
              say("次数", "count"), say("最近", "last"), say("字节", "bytes")]  # fmt: skip
    table = [[row.id[:_SHOWN_ID_CHARS], row.terminal, _kind_words(row.kind), _reason(row), row.times,
              local(row.last_ms), len(row.payload)] for row in rows]  # fmt: skip
    print_table(titles, table, say("没有死信：全部收下并读懂了。", "There are none: all was taken, and read."))


@dead_letter_group.command(help=say("查看一封死信", "Show one of them"))
@click.argument("letter_id", metavar="ID")
@directory_option
@database_option
@json_option
def show(letter_id: str, directory: Path, database: str | None, as_json: bool) -> None:
    """What is known of it, its content as CBOR diagnostics where it is CBOR, and of a batch its records."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            row = letter(transaction, letter_id)
    finally:
        store.close()
    if row is None:
        raise PlatformError(say(f"没有死信 {letter_id}，或不止一封。", f"No dead letter {letter_id}, or several."))
    facts, records = _facts(row), _records(row.payload)
    if as_json:
        facts |= {"payload": row.payload.hex(), "records": records}
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for name, value in facts.items():
        click.echo(fields.line(name, _told(name, value)))
    click.echo(say(f"内容：{_content(row.payload)}", f"content: {_content(row.payload)}"))
    for line in records or ():
        click.echo(text_of(line))


@dead_letter_group.command(help=say("重新处理死信（升级平台之后）", "Take them again, as after an upgrade"))
@click.argument("letter_ids", metavar="[ID]…", nargs=-1)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help=say("全部，但须人工作保的除外", "All of them, but those that somebody has to vouch for by name"),
)
@directory_option
@database_option
def replay(letter_ids: tuple[str, ...], everything: bool, directory: Path, database: str | None) -> None:
    """What can be taken now leaves the list, with how many records came of it; exit code 1 if anything stays."""
    if bool(letter_ids) == everything:
        raise click.UsageError(say("请给出编号，或用 --all", "name the ids, or say --all"))
    layout = Layout(directory)
    store = Store.open(database or layout.database_url)
    try:
        ingest = ingest_of(store, Authority.at(layout.keys))
        if everything:
            with store.transaction() as transaction:
                letter_ids = tuple(row.id for row in letters(transaction) if row.reason != UNPROVEN)
        taken = [records for letter_id in letter_ids if (records := _taken(store, ingest, letter_id)) is not None]
    finally:
        store.close()
    staying, count = len(letter_ids) - len(taken), sum(taken)
    came = say(f"（新收下记录 {count} 条）", f" ({counted(count, 'new record')})") if taken else ""
    click.echo(say(f"已接收 {len(taken)} 封{came}，仍有 {staying} 封。", f"{len(taken)} taken{came}, {staying} stay."))
    if staying:
        raise SystemExit(1)


def _taken(store: Store, ingest: Ingest, letter_id: str) -> int | None:
    """How many records a replay brought that the platform did not have, or could not read; ``None``: it stays."""
    with store.transaction() as transaction:
        row = letter(transaction, letter_id)
        before = 0 if row is None else _committed(transaction, row)
    if not ingest.replay(letter_id) or row is None:
        return None
    if row.kind == Kind.RECORD:
        return 1
    with store.transaction() as transaction:
        return _committed(transaction, row) - before


def _committed(transaction: Transaction, row: sa.Row[Any]) -> int:
    """How many records of a letter stand in their chain."""
    try:
        ids = [Arrived.of(body).id for body in JournalBatch.decode(row.payload).records]
    except (ContractError, RecordInvalid):
        return 0
    query = sa.select(sa.func.count()).where(record_table.c.id.in_(ids))
    return int(transaction.connection.execute(query).scalar_one())


def _facts(row: sa.Row[Any]) -> dict[str, Any]:
    names = ("id", "terminal", "kind", "topic", "reason", "detail", "times", "first_ms", "last_ms")
    return {name: getattr(row, name) for name in names} | {"record_id": row.record_id and row.record_id.hex()}


def _kind_words(kind: str) -> str:
    return say("记录", "record") if kind == Kind.RECORD else say("消息", "message")


def _reason(row: sa.Row[Any]) -> str:
    return alarm_words("unread-record") if row.kind == Kind.RECORD else alarm_words(row.reason)


def _told(name: str, value: Any) -> Any:
    """Codes as words, and times as the clock on the wall has them."""
    if name == "kind":
        return _kind_words(str(value))
    if name == "reason" and value:
        return alarm_words(str(value))
    if name == "detail" and value:
        return detail_words(str(value))
    return local(int(value)) if name in {"first_ms", "last_ms"} else value


def _records(payload: bytes) -> list[dict[str, Any]] | None:
    """The records of a `journal` message, as lists of records show them; ``None`` for anything else."""
    try:
        return [line_of(Record.from_bytes(body), 0) for body in JournalBatch.decode(payload).records]
    except (ContractError, RecordInvalid):
        return None


def _content(payload: bytes) -> str:
    try:
        return diagnostic(cbor2.loads(payload, max_depth=_MAX_DEPTH))[:_SHOWN_CHARS]
    except (cbor2.CBORDecodeError, ValueError, RecursionError):
        return say("不是 CBOR", "no CBOR")
