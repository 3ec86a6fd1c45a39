"""`onecard platform publish` and `onecard platform bundles`: what terminals get, and who has it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from agent.bundles.install import envelope_of
from agent.sync.contract import ContractError, State
from tools.cli import fields
from tools.cli.words import say
from tools.platform.bundle_store import BundleStore, Latest
from tools.platform.ca import Authority
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.service import Layout
from tools.platform.signer_check import doubt
from tools.platform.store import Store, state_table


@click.command(help=say("通过网络向终端下发数据包", "Give bundles out to terminals, over the link"))
@click.argument(
    "files",
    metavar=say("文件…", "FILE…"),
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@directory_option
def publish(files: tuple[Path, ...], directory: Path) -> None:
    """A running platform offers them within a second; terminals judge for themselves. Full bundles and deltas."""
    layout = Layout(directory)
    store = BundleStore(layout.bundles)
    for file in files:
        with store.alone():
            manifest = store.add(file)
        told, whom = f"{manifest.name} {manifest.bundle_version}", fields.audience(manifest.audience)
        click.echo(say(f"已登记：{told}（{whom}）", f"to be given out: {told} ({whom})"))
        if why := doubt(Authority(layout.keys), store, envelope_of(file), manifest):
            click.echo(say(f"注意：{told}：{why.zh}", f"warning: {told}: {why.en}"), err=True)


@click.command(name="bundles", help=say("下发的数据包，以及哪些终端已安装", "What is given out, and who has it"))
@directory_option
@database_option
@json_option
def list_bundles(directory: Path, database: str | None, as_json: bool) -> None:
    """By the latest state that each terminal reported."""
    held = _held(database or Layout(directory).database_url)
    rows = [_row(latest, held) for latest in BundleStore(Layout(directory).bundles).latest()]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    titles = [say("数据包", "bundle"), say("接收者", "audience"), say("版本", "version"), say("形式", "forms"),
              say("已安装", "have it"), say("尚未", "lack it")]  # fmt: skip
    print_table(titles, [[row["name"], fields.audience(row["audience"]), row["version"], _forms(row["forms"]),
                          len(row["have"]), " ".join(row["lack"]) or say("无", "none")] for row in rows],
                say("还没有下发数据包；用 onecard trust、onecard status-list 制作，用 onecard platform publish 下发。",
                    "Nothing is given out yet: make bundles with `onecard trust` and `onecard status-list`, give them"
                    " out with `onecard platform publish`."))  # fmt: skip


def _forms(forms: list[str]) -> str:
    """`full`, and `from N` for each delta."""
    told = (
        say("完整", "full") if form == "full" else say(f"自版本 {form[5:]} 增量", f"delta {form}") for form in forms
    )
    return say("，", ", ").join(told)


def _row(latest: Latest, held: dict[str, dict[str, int]]) -> dict[str, Any]:
    terminals = [terminal for terminal in sorted(held) if latest.may_be_for(terminal)]
    have = [terminal for terminal in terminals if held[terminal].get(latest.name, 0) >= latest.version]
    bases = sorted(form.manifest.previous_version or 0 for form in latest.forms)
    return {
        "name": latest.name,
        "audience": latest.audience,
        "version": latest.version,
        "forms": [f"from {base}" if base else "full" for base in bases],
        "have": have,
        "lack": [terminal for terminal in terminals if terminal not in have],
    }


def _held(url: str) -> dict[str, dict[str, int]]:
    """Which version of which bundle each terminal reported last."""
    held: defaultdict[str, dict[str, int]] = defaultdict(dict)
    store = Store.open_for_reading(url)
    try:
        with store.transaction() as transaction:
            rows = transaction.connection.execute(sa.select(state_table.c.terminal, state_table.c.body)).all()
    finally:
        store.close()
    for terminal, body in rows:
        try:
            report = State.decode(body).report
        except ContractError:
            continue
        held[terminal] = {} if report is None else {bundle.name: bundle.version for bundle in report.bundles}
    return dict(held)
