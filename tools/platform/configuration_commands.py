"""`onecard platform configure` and `onecard platform configurations`: what a terminal is to go by, and what it does."""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import sqlalchemy as sa

from agent.bundles.manifest import Kind
from agent.config import ConfigError
from agent.config_model import TerminalConfig
from agent.configuration.choice import read_issue
from agent.configuration.standing import Why
from agent.keys import Role
from agent.sync.contract import Configured, ContractError, State
from agent.yaml_file import MAX_SIZE_BYTES, YamlError, parse_yaml
from tools import bundles
from tools.cli.words import say
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.service import Layout
from tools.platform.store import Store, state_table

DAY_MS = 86_400_000
TERM_DAYS = 3_650
"""A configuration does not get old by itself: it stays in force until the next one."""


@click.command(
    help=say(
        "向一台终端下发配置：先校验，终端再试用，不行会自动退回",
        "Give a terminal its configuration: checked here, tried there, and taken back by the terminal if it fails",
    )
)
@click.argument("terminal", metavar="ID")
@click.argument("file", metavar=say("文件", "FILE"), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@directory_option
def configure(terminal: str, file: Path, directory: Path) -> None:
    """The next version for this terminal, signed by the platform's bundle key."""
    layout = Layout(directory)
    content = file.read_bytes()[: MAX_SIZE_BYTES + 1]
    given = BundleStore(layout.bundles)
    with given.alone():
        version = _give(layout, given, terminal, content, file)
    click.echo(say(f"已登记：{terminal} 的配置 {version}", f"to be given out: configuration {version} of {terminal}"))


def _give(layout: Layout, given: BundleStore, terminal: str, content: bytes, file: Path) -> int:
    version = 1 + desired(given).get(terminal, 0)
    _check(content, version, terminal, file)
    now_ms = time.time_ns() // 1_000_000
    term = (now_ms, now_ms + TERM_DAYS * DAY_MS, 0)
    kind = Kind.CONFIGURATION
    issue = bundles.Issue(kind, kind.value, version, *term, audience=f"terminal:{terminal}")
    signer = bundles.signer_of(Authority.at(layout.keys).role_keys[Role.BUNDLE][0])
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "full"
        path.write_bytes(bundles.full_bundle(issue, content, signer))
        given.add(path)
    return version


@click.command(
    help=say("各终端应有的配置与实际使用的配置", "Which configuration each terminal should have, and which it has")
)
@directory_option
@database_option
@json_option
def configurations(directory: Path, database: str | None, as_json: bool) -> None:
    """By the latest state that each terminal reported."""
    wanted = desired(BundleStore(Layout(directory).bundles))
    reported = _reported(database or Layout(directory).database_url)
    rows = [_row(terminal, wanted.get(terminal, 0), reported.get(terminal)) for terminal in sorted(wanted)]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    titles = [say("终端", "terminal"), say("应有", "desired"), say("使用中", "reported"), say("情况", "how it stands")]
    print_table(
        titles,
        [[row["terminal"], row["desired"], row["reported"] or say("自带", "its own"), _words(row)] for row in rows],
        say(
            "还没有下发过配置；用 onecard platform configure 下发。",
            "No terminal was given a configuration yet: see `onecard platform configure`.",
        ),
    )


def desired(given: BundleStore) -> dict[str, int]:
    """The version that each terminal should have; those that were given none are not among them."""
    return {
        latest.terminal: latest.version
        for latest in given.latest()
        if latest.terminal is not None and latest.name == Kind.CONFIGURATION.value
    }


def _check(content: bytes, version: int, terminal: str, file: Path) -> None:
    """Refuse here what the terminal would refuse. Raises `PlatformError`."""
    try:
        document = parse_yaml(content.decode())
    except UnicodeDecodeError as error:
        raise PlatformError(say(f"{file} 不是 UTF-8 文本", f"{file} is not UTF-8 text")) from error
    except YamlError as error:
        raise PlatformError(say(f"{file}：{error.zh}", f"{file}: {error.en}")) from error
    said = document.get("terminal") if isinstance(document, dict) else None
    site = said.get("site") if isinstance(said, dict) else None
    try:
        at = TerminalConfig.model_construct(id=terminal, site=site, state_dir=Path("/"))
        read_issue(content.decode(), version, at)
    except ConfigError as error:
        raise PlatformError(str(error)) from error


def _row(terminal: str, wanted: int, reported: Configured | None) -> dict[str, Any]:
    withdrawn = reported is not None and reported.withdrawn == wanted
    return {
        "terminal": terminal,
        "desired": wanted,
        "reported": 0 if reported is None else reported.issue,
        "on_trial": reported is not None and reported.on_trial,
        "withdrawn": withdrawn,
        "why": reported.why if reported is not None and withdrawn else None,
        "at": reported.at if reported is not None and withdrawn else None,
    }


def _words(row: dict[str, Any]) -> str:
    if row["withdrawn"]:
        known = row["why"] in {why.value for why in Why}
        because = say(Why(row["why"]).sentence.zh, Why(row["why"]).sentence.en) if known else row["why"]
        told = say(f"已退回：{because}", f"withdrawn: {because}")
        return f"{told} ({row['at']})" if row["at"] else told
    if row["reported"] != row["desired"]:
        return say("尚未收到", "not there yet")
    return say("试用中", "on trial") if row["on_trial"] else say("使用中", "in force")


def _reported(url: str) -> dict[str, Configured]:
    """What each terminal said last of its configuration."""
    reported: dict[str, Configured] = {}
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
        if report is not None and report.configured is not None:
            reported[terminal] = report.configured
    return reported
