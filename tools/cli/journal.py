"""``onecard journal``: this terminal's journal, read beside a running agent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from agent.checkpoints import proof
from agent.command_reasons import COMMAND
from agent.composition import keys_dir
from agent.cose import VerifyKey
from agent.keys import FileKeyStore, KeyStoreError
from agent.words import say
from offline_store.database import DATABASE_NAME
from offline_store.outbox import Outbox
from offline_store.record import Record
from profiles.reasons import counted
from tools.cli import fields
from tools.cli.codes import fault_words, kind_words, reason_words
from tools.cli.figures import figure_words, figures_of, openings_of
from tools.cli.place import state_dir_option
from tools.cli.progress import bar
from tools.cli.stick import acknowledge, export
from tools.cli.times import iso, local, local_of

_PORTION = 200
_PORTION_BYTES = 1_000_000
json_option = click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))


@click.group(help=say("查看与校验这台终端的日志", "Look at and verify this terminal's journal"))
def journal() -> None:
    """Hold the journal's commands."""


@journal.command(
    name="list", help=say("列出最近的记录，不含介质和主体", "List the latest records, without media and subjects")
)
@state_dir_option
@click.option("--last", type=click.IntRange(1, 10_000), default=20, show_default=True, help=say("最近几条", "How many"))
@click.option("--json", "as_json", is_flag=True, help=say("一行一个 JSON", "One JSON object a line"))
def list_records(state_dir: Path, last: int, as_json: bool) -> None:
    """Print records, oldest first."""
    outbox = Outbox.open(state_dir)
    try:
        position = outbox.position()
        after_seq = max(position.first_retained - 1, position.head_seq - last)
        for record in _records(outbox, after_seq):
            line = line_of(record, position.acked_seq)
            click.echo(json.dumps(line, ensure_ascii=False) if as_json else text_of(line))
    finally:
        outbox.close()


@journal.command(
    help=say(
        "显示一条记录的公开内容，不含介质和主体", "Show the public fields of one record, without medium and subject"
    )
)
@click.argument("seq", metavar=say("序号", "SEQ"), type=click.IntRange(1))
@state_dir_option
@json_option
def show(seq: int, state_dir: Path, as_json: bool) -> None:
    """Print one record."""
    outbox = Outbox.open(state_dir)
    try:
        position = outbox.position()
        bodies = outbox.batch(seq - 1, 1, 1) if seq >= position.first_retained else []
    finally:
        outbox.close()
    if not bodies:
        raise click.ClickException(
            say(
                f"没有第 {seq} 条；本机有第 {position.first_retained} 至 {position.head_seq} 条",
                f"there is no record {seq}; this terminal holds {position.first_retained} to {position.head_seq}",
            )
        )
    record = Record.from_bytes(bodies[0])
    line = line_of(record, position.acked_seq)
    line |= {"profile": record.entry.profile, "hash": record.hash.hex(), "prev_hash": record.prev_hash.hex()}
    line |= {"sealed_bytes": len(record.entry.sealed or b""), "public": _plain(record.entry.public)}
    line |= {"money": _money_of(record)}
    figures = figures_of(record)
    if as_json:
        click.echo(json.dumps(line, ensure_ascii=False))
        return
    click.echo(text_of(line))
    for name in ("id", "refers_to", "hash", "prev_hash"):
        click.echo(f"  {fields.line(name, line[name])}")
    for name, value in {**(line["money"] or {}), **line["public"]}.items():
        if name != "figures" or not figures:
            click.echo(f"  {fields.line(name, value)}")
    for text in map(figure_words, figures):
        click.echo(f"  {text}")


def _money_of(record: Record) -> dict[str, Any] | None:
    """What it moves, without the operator and the account."""
    money = record.entry.money
    if money is None:
        return None
    return {
        "amount_fen": money.amount_fen,
        "intent": money.intent_id.hex(),
        "merchant": money.merchant,
        "business_date": money.business_date,
    }


@journal.command(help=say("记录数量、大小与增长", "How much there is, and how fast it grows"))
@state_dir_option
@json_option
def stats(state_dir: Path, as_json: bool) -> None:
    """Print numbers; walks the whole file."""
    outbox = Outbox.open(state_dir)
    try:
        position, numbers = outbox.position(), outbox.numbers()
    finally:
        outbox.close()
    sizes = [_size_bytes(state_dir / f"{DATABASE_NAME}{part}") for part in ("", "-wal")]
    facts: dict[str, Any] = {
        "head": position.head_seq,
        "first_retained": position.first_retained,
        "unacknowledged": position.head_seq - position.acked_seq,
        "records": numbers.records,
        "file_bytes": sum(sizes),
        "log_bytes": sizes[1],
        "bytes_per_record": round(numbers.body_bytes / max(1, numbers.records)),
        "latest_day_records": numbers.day_records,
        "first": None if numbers.first_ms is None else iso(numbers.first_ms),
        "last": None if numbers.last_ms is None else iso(numbers.last_ms),
    }
    if as_json:
        click.echo(json.dumps(facts | {"kinds": numbers.kinds}))
        return
    said = {"first": numbers.first_ms, "last": numbers.last_ms}
    for name, value in facts.items():
        moment = said.get(name)
        click.echo(fields.line(name, value if moment is None else local(moment)))
    for kind, count in numbers.kinds.items():
        click.echo(f"  {kind_words(kind)}{say('：', ': ')}{count}")


def _size_bytes(path: Path) -> int:
    """Of a part of the database: the write-ahead log is absent while nobody has it open."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@journal.command(
    help=say(
        "校验整条链与终端的签名；断裂时指出第一条有问题的记录，退出码为 1",
        "Verify the whole chain and the terminal's signatures; exit code 1 and the first bad record if it is broken",
    )
)
@state_dir_option
@json_option
def verify(state_dir: Path, as_json: bool) -> None:
    """Walk the chain."""
    outbox = Outbox.open(state_dir)
    try:
        key = _own_key(state_dir)
        with bar(say("正在校验链", "verifying the chain")) as told:
            verdict = outbox.verify(None if key is None else proof({key.kid: key}), told)
        head_seq = outbox.position().head_seq
    finally:
        outbox.close()
    broken = verdict.broken
    if as_json:
        where = (
            None if broken is None else {"chain": broken.chain_id.hex(), "seq": broken.seq, "fault": broken.fault.value}
        )
        facts = {"whole": broken is None, "checked": verdict.checked, "signed": verdict.signed, "broken": where}
        click.echo(json.dumps(facts))
    elif broken is None:
        click.echo(
            say(f"链完整，共 {verdict.checked} 条记录", f"the chain is whole, {counted(verdict.checked, 'record')}")
        )
        click.echo(_words_of_signatures(verdict.signed, known=key is not None))
        if head_seq > verdict.vouched_seq:
            click.echo(_words_of_the_rest(verdict.vouched_seq))
    else:
        fault_zh, fault_en = fault_words(broken.fault)
        click.echo(say(f"第 {broken.seq} 条记录{fault_zh}", f"record {broken.seq} is {fault_en}"))
    if broken is not None:
        raise SystemExit(1)


def _own_key(state_dir: Path) -> VerifyKey | None:
    """The terminal's key, where it lies beside the journal; a journal may be looked at elsewhere."""
    try:
        return VerifyKey.of(FileKeyStore(keys_dir(state_dir)).checkpoint_public())
    except KeyStoreError:
        return None


def _words_of_signatures(signed: int, *, known: bool) -> str:
    if not known:
        return say("终端的密钥不在此处，签名未校验", "the terminal's key is not here: signatures were not checked")
    return say(f"其中 {signed} 个检查点由终端签名", f"checkpoints signed by the terminal: {signed}")


def _words_of_the_rest(after_seq: int) -> str:
    """Of what only the file itself vouches for: its own end."""
    zh, en = (f"第 {after_seq} 条之后", f"behind record {after_seq} ") if after_seq else ("", "")
    return say(
        f"{zh}既无签名，平台也未确认：末条若被改动，或末尾被截去，此处看不出",
        f"{en}nothing is signed or acknowledged yet:"
        " whether the last record was altered, or the end cut off, does not show here",
    )


def _plain(value: Any) -> Any:
    """Public fields as JSON has them: bytes in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value


def _records(outbox: Outbox, after_seq: int) -> Iterator[Record]:
    while bodies := outbox.batch(after_seq, _PORTION, _PORTION_BYTES):
        for body in bodies:
            record = Record.from_bytes(body)
            after_seq = record.seq
            yield record


def line_of(record: Record, acked_seq: int) -> dict[str, Any]:
    """What a list of records says of one, for scripts; nothing of medium and subject."""
    entry = record.entry
    return {
        "seq": record.seq,
        "time": iso(entry.time_ms, "milliseconds"),
        "time_quality": entry.time_quality,
        "kind": entry.kind,
        "lane": entry.lane,
        "reason": entry.reason,
        "amount_fen": None if entry.money is None else entry.money.amount_fen,
        "repeated": entry.public.get("repeated"),
        "openings": openings_of(record),
        "act": entry.public.get("act") if entry.kind == COMMAND else None,
        "id": entry.id.hex(),
        "refers_to": entry.refers_to.hex() if entry.refers_to else None,
        "acknowledged": record.seq <= acked_seq,
    }


def text_of(line: dict[str, Any]) -> str:
    """The same for people."""
    mark = "✓" if line["acknowledged"] else "·"
    kind, lane = kind_words(line["kind"]), f" {line['lane']}" if line["lane"] else ""
    if line["act"] is not None:
        act = fields.value("act", line["act"])
        kind += say(f"（{act}）", f" ({act})")
    reason = say("：", ": ") + reason_words(line["reason"]) if line["reason"] else ""
    if line["repeated"] is not None:
        reason += say(f"（{line['repeated']} 次）", f" ({counted(line['repeated'], 'time')})")
    if line["openings"] is not None:
        reason += say(f"（开门 {line['openings']} 次）", f" ({counted(line['openings'], 'opening')})")
    if line["amount_fen"] is not None:
        reason += f"  {fields.value('amount_fen', line['amount_fen'])}"
    moment = local_of(line["time"])
    return f"{line['seq']:>8} {mark} {moment} {kind}{lane}{reason}"


journal.add_command(export)
journal.add_command(acknowledge)
