"""``onecard journal``: this terminal's journal, read beside a running agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agent.words import say
from offline_store.outbox import Outbox
from offline_store.record import Record
from offline_store.verify import Fault
from tools.cli.codes import kind_words, reason_words
from tools.cli.place import state_dir_option

_PORTION = 200
_PORTION_BYTES = 1_000_000
_FAULT_ZH = {Fault.MISSING: "缺失", Fault.ALTERED: "被改动", Fault.MISPLACED: "位置不对"}


@click.group(help=say("查看与校验本机日志", "Look at and verify this terminal's journal"))
def journal() -> None:
    """Hold the journal's commands."""


@journal.command(name="list", help=say("列出最近的记录", "List the latest records, without media and subjects"))
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
            line = _line_of(record, position.acked_seq)
            click.echo(json.dumps(line, ensure_ascii=False) if as_json else _text_of(line))
    finally:
        outbox.close()


@journal.command(help=say("校验整条链", "Verify the whole chain; exit code 1 and the first bad record if it is broken"))
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
def verify(state_dir: Path, as_json: bool) -> None:
    """Walk the chain."""
    outbox = Outbox.open(state_dir)
    try:
        verdict = outbox.verify()
    finally:
        outbox.close()
    broken = verdict.broken
    if as_json:
        where = (
            None if broken is None else {"chain": broken.chain_id.hex(), "seq": broken.seq, "fault": broken.fault.value}
        )
        click.echo(json.dumps({"whole": broken is None, "checked": verdict.checked, "broken": where}))
    elif broken is None:
        click.echo(say(f"链完整，共 {verdict.checked} 条记录", f"the chain is whole, {verdict.checked} records"))
    else:
        fault_zh = _FAULT_ZH[broken.fault]
        click.echo(say(f"第 {broken.seq} 条记录{fault_zh}", f"record {broken.seq} is {broken.fault.value}"))
    if broken is not None:
        raise SystemExit(1)


def _records(outbox: Outbox, after_seq: int) -> Iterator[Record]:
    while bodies := outbox.batch(after_seq, _PORTION, _PORTION_BYTES):
        for body in bodies:
            record = Record.from_bytes(body)
            after_seq = record.seq
            yield record


def _line_of(record: Record, acked_seq: int) -> dict[str, Any]:
    entry = record.entry
    moment = datetime.fromtimestamp(entry.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {
        "seq": record.seq,
        "time": moment,
        "time_quality": entry.time_quality,
        "kind": entry.kind,
        "lane": entry.lane,
        "reason": entry.reason,
        "id": entry.id.hex(),
        "refers_to": entry.refers_to.hex() if entry.refers_to else None,
        "acknowledged": record.seq <= acked_seq,
    }


def _text_of(line: dict[str, Any]) -> str:
    mark = "✓" if line["acknowledged"] else "·"
    lane = f" {line['lane']}" if line["lane"] else ""
    reason = say("：", ": ") + reason_words(line["reason"]) if line["reason"] else ""
    return f"{line['seq']:>8} {mark} {line['time']} {kind_words(line['kind'])}{lane}{reason}"
