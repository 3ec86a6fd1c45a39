"""``onecard outbox``: what waits for the platform, read beside a running agent."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from agent.words import say
from offline_store.outbox import Outbox, Position
from offline_store.record import Record
from tools.cli import fields
from tools.cli.place import existing, state_dir_option
from tools.cli.status import standing_of
from tools.cli.times import local


@click.command(
    help=say(
        "平台尚未确认的内容：条数、字节、最早时间、距停止收款的小时数、确认到第几条",
        "What waits for the platform: records, bytes, the oldest, hours until money stops, how far it has acknowledged",
    )
)
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
def outbox(state_dir: Path, as_json: bool) -> None:
    """Print it; the exit code is 0 whatever waits."""
    with closing(Outbox.open(existing(state_dir))) as journal:
        position, waiting = journal.position(), journal.waiting()
        acknowledged_ms = _made_ms(journal, position)
    standing = standing_of(state_dir)
    facts: dict[str, Any] = {
        "waiting_records": waiting.records,
        "waiting_bytes": waiting.body_bytes,
        "oldest_ms": waiting.oldest_ms,
        "hours_left": None if standing is None else standing.buffer.hours_left,
        "unrecorded": None if standing is None else standing.buffer.unrecorded,
        "chain_id": position.chain_id.hex(),
        "head": position.head_seq,
        "acknowledged": position.acked_seq,
        "acknowledged_made_ms": acknowledged_ms,
        "running": standing is not None,
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    for line in _lines(facts):
        click.echo(line)


def _lines(facts: dict[str, Any]) -> list[str]:
    lines = [fields.line(name, facts[name]) for name in ("waiting_records", "waiting_bytes")]
    if facts["oldest_ms"] is not None:
        lines.append(fields.line("oldest_ms", facts["oldest_ms"]))
    if facts["hours_left"] is not None:
        lines.append(fields.line("hours_left", facts["hours_left"]))
    elif facts["running"]:
        lines.append(say("距停止收款：运行不久，尚不知道", "until money stops: not known so soon after the start"))
    else:
        lines.append(say("距停止收款：终端没有运行，不知道", "until money stops: not known, the terminal does not run"))
    if not facts["acknowledged"]:
        return [*lines, say("这条链平台还没有确认过", "of this chain the platform has acknowledged nothing yet")]
    seq, head, made_ms = facts["acknowledged"], facts["head"], facts["acknowledged_made_ms"]
    made = "" if made_ms is None else say(f"（产生于 {local(made_ms)}）", f", made at {local(made_ms)}")
    text = say(f"平台已确认到第 {seq} 条{made}，共 {head} 条", f"acknowledged up to record {seq}{made}, of {head}")
    return [*lines, text]


def _made_ms(journal: Outbox, position: Position) -> int | None:
    """When the last acknowledged record was made, if it is still here."""
    if position.acked_seq < max(1, position.first_retained):
        return None
    bodies = journal.batch(position.acked_seq - 1, 1, 1)
    return Record.from_bytes(bodies[0]).entry.time_ms if bodies else None
