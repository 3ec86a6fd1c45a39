"""`onecard platform foreign-codes`: test codes of other systems, and whose they are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TextIO

import click

from tools.cli.times import local
from tools.cli.words import say
from tools.platform import foreign_codes
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.ledger import Owner
from tools.platform.owners import OwnerType, shown
from tools.platform.service import Layout
from tools.platform.store import Store

_MAX_TEXT_BYTES = 8_192
_SHOWN_BYTES = 4
_HOUR_MS = 3_600_000


@click.group(
    name="foreign-codes", help=say("其他系统的测试码及其持有人", "Test codes of other systems, and whose they are")
)
def foreign_code_group() -> None:
    """Hold the commands about foreign codes."""


@foreign_code_group.command(
    help=say(
        "登记一个码的持有人；码文从文件读取，- 为标准输入", "Say whose a code is; its text comes from a file, or - "
    )
)
@click.argument("owner", type=OwnerType(), metavar=say("持有人", "HOLDER"))
@click.argument("text", type=click.File(encoding="utf-8"), metavar=say("文件", "FILE"))
@click.option(
    "--hours",
    type=click.IntRange(1, 8_784),
    default=24,
    show_default=True,
    help=say("有效小时数", "How long that holds"),
)
@directory_option
@database_option
def add(owner: Owner, text: TextIO, hours: int, directory: Path, database: str | None) -> None:
    """Not on the command line: a code is somebody's, and other users of the machine see what commands are given."""
    try:
        read = text.read(_MAX_TEXT_BYTES + 1).strip()
    except UnicodeDecodeError:
        read = ""
    if not read or len(read.encode()) > _MAX_TEXT_BYTES:
        raise PlatformError(say("码文应为 1 至 8192 字节的文字。", "The text of a code has 1 to 8192 bytes, in UTF-8."))
    until_ms = time.time_ns() // 1_000_000 + hours * _HOUR_MS
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            foreign_codes.add(transaction, read, owner, until_ms)
    finally:
        store.close()
    click.echo(say(f"已登记，至 {local(until_ms)}", f"added, until {local(until_ms)}"))


@foreign_code_group.command(name="list", help=say("列出登记的码", "List the codes"))
@directory_option
@database_option
@json_option
def list_codes(directory: Path, database: str | None, as_json: bool) -> None:
    """By the beginning of their digests: the texts are not kept."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = foreign_codes.codes(transaction)
    finally:
        store.close()
    rows = [
        {
            "code": row.digest[:_SHOWN_BYTES].hex(),
            "owner": shown((row.namespace, row.subject)),
            "until_ms": row.until_ms,
        }
        for row in found
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    titles = [say("码（摘要）", "code, digest"), say("持有人", "holder"), say("有效至", "until")]
    print_table(titles, [[row["code"], row["owner"], local(row["until_ms"])] for row in rows],
        say("还没有登记的码；用 onecard platform foreign-codes add 登记。",
            "No code was added yet: `onecard platform foreign-codes add` does."),)  # fmt: skip
