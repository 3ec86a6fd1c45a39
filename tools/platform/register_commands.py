"""`onecard platform register`: whose each card is, by hand or from a bundle, and as the bundle that terminals get."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from agent.bundles.data import FileData
from agent.bundles.errors import BundleError
from agent.bundles.manifest import MAX_GRACE_MS, Kind
from agent.bundles.people import ID_BYTES, MediumState, check_register, register_row, register_shape
from agent.bundles.table import Table
from tools.big_bundles import sha256_of, unpack, write_table
from tools.cli.people import register_rows
from tools.cli.words import say
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.give_out import DAY_MS, give_out_table, publishing
from tools.platform.ledger import Owner
from tools.platform.owners import OwnerType, shown
from tools.platform.register import Known, Register
from tools.platform.register_draft import bring_in
from tools.platform.service import Layout
from tools.platform.store import Store

_MAGIC = b"OCB1"
_TOLD_EACH = 500_000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,22}")
_STATES = {
    MediumState.IN_USE: ("在用", "in use"),
    MediumState.LOST: ("已挂失", "lost"),
    MediumState.REPLACED: ("已更换", "replaced"),
}


class _MediumType(click.ParamType[bytes]):
    name = "medium"

    def convert(self, value: str | bytes, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        if not re.fullmatch(r"[0-9a-f]{32}", value):
            self.fail(say("应为 32 位十六进制介质编号", "should be a medium id, 32 hex digits"), param, ctx)
        return bytes.fromhex(value)


_medium = click.argument("medium", type=_MediumType(), metavar=say("介质", "MEDIUM"))
_namespace = click.option(
    "--namespace", default="city", show_default=True, help=say("主体编号的命名空间", "The namespace of its subjects")
)


@click.group(name="register", help=say("平台自己的卡片登记册", "The platform's own card register"))
def register_group() -> None:
    """Hold the commands about the register."""


@register_group.command(
    name="import",
    help=say("以登记册数据包或行文件取代登记册", "Replace a register by a bundle's, or by a file of rows"),
)
@click.argument("file", metavar=say("文件", "FILE"), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_namespace
@directory_option
@database_option
def bring(file: Path, namespace: str, directory: Path, database: str | None) -> None:
    """A bundle names its namespace itself. Rows are as `onecard trust register --rows` takes them."""
    with file.open("rb") as opened:
        is_bundle = opened.read(len(_MAGIC)) == _MAGIC
    source = sha256_of(file)
    store = Store.open(database or Layout(directory).database_url)
    try:
        with TemporaryDirectory(prefix="onecard-register-") as scratch:
            if is_bundle:
                namespace, rows = _of_bundle(file, Path(scratch) / "content")
            else:
                lines = register_rows(file)
                rows = (Known(medium, (namespace, person), bits, state) for medium, person, bits, state in lines)
            count = bring_in(store, namespace, source, rows, _now_ms(), _tell)
    finally:
        store.close()
    click.echo(
        say(
            f"登记册 {namespace}：{count} 个介质",
            f"the register of {namespace} has {count} {'medium' if count == 1 else 'media'}",
        )
    )


@register_group.command(name="set", help=say("登记一个介质的持有人", "Say whose a medium is"))
@_medium
@click.argument("owner", type=OwnerType(), metavar=say("持有人", "HOLDER"))
@click.option(
    "--entitlements", type=click.IntRange(0, (1 << 32) - 1), default=0, help=say("权益位", "Entitlement bits")
)
@directory_option
@database_option
def put(medium: bytes, owner: Owner, entitlements: int, directory: Path, database: str | None) -> None:
    """In use from now on, also where it was lost."""
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            Register(transaction).put(Known(medium, owner, entitlements), _now_ms())
    finally:
        store.close()
    click.echo(say("已登记", "registered"))


@register_group.command(
    name="lost", help=say("挂失一个介质，或以 --by 换发新的", "Report a medium lost, or with --by replaced by another")
)
@_medium
@click.option(
    "--by", "successor", type=_MediumType(), metavar=say("新介质", "MEDIUM"), help=say("换发的介质", "The new one")
)
@directory_option
@database_option
def end(medium: bytes, successor: bytes | None, directory: Path, database: str | None) -> None:
    """The new one is the same person's, so debts and loans stay."""
    state = MediumState.LOST if successor is None else MediumState.REPLACED
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            register = Register(transaction)
            known = register.end(medium, state, _now_ms())
            if successor is not None:
                for row in known:
                    register.put(replace(row, medium=successor, state=MediumState.IN_USE), _now_ms())
    finally:
        store.close()
    if not known:
        raise PlatformError(say("登记册中没有这个介质。", "The register does not know this medium."))
    click.echo(say(*_STATES[state]))


@register_group.command(name="list", help=say("列出登记册", "List the register"))
@directory_option
@database_option
@json_option
def list_rows(directory: Path, database: str | None, as_json: bool) -> None:
    """All namespaces, by medium."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = list(Register(transaction).rows())
    finally:
        store.close()
    if as_json:
        rows = [
            {
                "medium": row.medium.hex(),
                "owner": shown(row.owner),
                "entitlements": row.entitlements,
                "state": row.state.name.lower().replace("_", "-"),
                "since_ms": row.since_ms,
            }
            for row in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    print_table(
        [say("介质", "medium"), say("持有人", "holder"), say("权益位", "entitlements"), say("状态", "state")],
        [[row.medium.hex(), shown(row.owner), row.entitlements, say(*_STATES[row.state])] for row in found],
        say(
            "登记册是空的；用 onecard platform register set 登记介质的持有人。",
            "The register is empty: `onecard platform register set` says whose a medium is.",
        ),
    )


@register_group.command(name="publish", help=say("将登记册下发给终端", "Give the register out to terminals"))
@_namespace
@click.option(
    "--name", default="city", show_default=True, help=say("数据包 register-… 的名称", "Of the bundle register-…")
)
@click.option("--days", type=click.IntRange(1, 3650), default=7, show_default=True, help=say("有效天数", "Term"))
@click.option(
    "--grace-days",
    type=click.IntRange(0, MAX_GRACE_MS // DAY_MS),
    default=14,
    show_default=True,
    help=say("宽限天数", "Days of grace"),
)
@directory_option
@database_option
def publish(namespace: str, name: str, days: int, grace_days: int, directory: Path, database: str | None) -> None:
    """The next version, signed by the platform's own bundle key."""
    if _NAME.fullmatch(name) is None:
        raise PlatformError(say("名称只能用小写字母、数字和连字符。", "A name is of the characters a-z, 0-9 and -."))
    layout = Layout(directory)
    store = Store.open_for_reading(database or layout.database_url)
    try:
        with (
            publishing(layout),
            store.transaction() as transaction,
            TemporaryDirectory(prefix="onecard-register-") as scratch,
        ):
            content = Path(scratch) / "content"
            known = Register(transaction).rows(namespace)
            rows = (register_row(row.medium, row.owner[1], row.entitlements, row.state) for row in known)
            count = write_table(content, register_shape(namespace), rows)
            bundle = f"{Kind.REGISTER.value}-{name}"
            version = give_out_table(layout, Kind.REGISTER, bundle, content, _now_ms(), days, grace_days)
    finally:
        store.close()
    click.echo(
        say(f"已登记：{bundle} {version}，{count} 个介质", f"to be given out: {bundle} {version}, {count} media")
    )


def _tell(rows: int) -> None:
    """Ten million rows take minutes: whoever waits sees them come."""
    if rows % _TOLD_EACH == 0:
        click.echo(say(f"已读入 {rows} 行", f"{rows} rows read"), err=True)


def _of_bundle(file: Path, content: Path) -> tuple[str, Iterator[Known]]:
    try:
        if unpack(file, content).kind is not Kind.REGISTER:
            raise PlatformError(say(f"{file} 不是登记册。", f"{file} is no card register."))
        table = Table.open(FileData(content))
        check_register(table)
    except BundleError as error:
        raise PlatformError(say(f"{file}：{error.zh}", f"{file}: {error.en}")) from error
    namespace = table.shape.label
    return namespace, (_row(namespace, row) for row in table.rows())


def _row(namespace: str, row: bytes) -> Known:
    medium, subject = row[:ID_BYTES], row[ID_BYTES : 2 * ID_BYTES]
    bits, state = int.from_bytes(row[2 * ID_BYTES : -1], "big"), MediumState(row[-1])
    return Known(medium, (namespace, subject), bits, state)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
