"""`onecard platform school code`: print a pupil's code, or print it again, which ends the one before."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from agent.bundles.manifest import Kind
from agent.credentials.ec1 import Ec1
from profiles.reasons import counted
from tools import bundles, citizen_code
from tools.citizen_code import Grant
from tools.cli import code_files
from tools.cli.words import say
from tools.platform.command_options import database_option, directory_option, json_option
from tools.platform.errors import PlatformError
from tools.platform.give_out import give_out, publishing
from tools.platform.ledger import Owner
from tools.platform.owners import OwnerType, shown
from tools.platform.prints import MAX_PRINTS, reprint, revoked
from tools.platform.register import Known, Register
from tools.platform.service import Layout
from tools.platform.store import Store

_FILE = click.Path(dir_okay=False, path_type=Path)
_TOKEN_BYTES = 16


@click.command(
    name="code",
    help=say("印制校园码；再次印制即换发，旧码作废", "Print a pupil's code; printed again, it ends the one before"),
)
@click.argument("owner", type=OwnerType(), metavar=say("持有人", "HOLDER"))
@click.option(
    "--by",
    type=_FILE,
    required=True,
    help=say("只用于印刷码的签发者密钥（onecard code keygen --static）", "The key of an issuer for prints alone"),
)
@click.option(
    "--ttl-hours",
    type=click.IntRange(1, 0xFFFF),
    help=say("有效小时数；默认签发者所能的最长", "Hours for which it is good; default: the issuer's longest"),
)
@click.option("--png", type=_FILE, help=say("写入 PNG 图片", "Write a PNG"))
@click.option("--svg", type=_FILE, help=say("写入 SVG 图片", "Write an SVG"))
@click.option("--register", default="city", show_default=True, help=say("登记册的名称", "Of the bundle register-…"))
@directory_option
@database_option
@json_option
def print_code(
    owner: Owner,
    by: Path,
    ttl_hours: int | None,
    png: Path | None,
    svg: Path | None,
    register: str,
    directory: Path,
    database: str | None,
    as_json: bool,
) -> None:
    """The status list of the issuer goes out at once; with somebody's first print the register, too.

    The old code ends when the new one is written; what fails before leaves all as it was. The new one is said, and its
    pictures stand under their names, once the database has it: nobody holds a code that the platform does not know.
    """
    issuer = code_files.read(by, code_files.IssuerKeyFile)
    if not issuer.row.static_allowed:
        raise PlatformError(say("此签发者不得签发静态码。", "This issuer may not issue static codes."))
    if issuer.row.namespace != owner[0]:
        raise PlatformError(
            say(f"此签发者只为 {issuer.row.namespace} 签发。", f"This issuer speaks for {issuer.row.namespace} alone.")
        )
    longest = issuer.row.max_ttl_hours
    if ttl_hours is not None and ttl_hours > longest:
        raise PlatformError(
            say(f"此签发者最多 {longest} 小时。", f"This issuer's codes last at most {counted(longest, 'hour')}.")
        )
    now_ms, layout, number = time.time_ns() // 1_000_000, Layout(directory), issuer.row.issuer
    store = Store.open(database or layout.database_url)
    try:
        with _pictures(png, svg) as drawn, publishing(layout), store.transaction() as transaction:
            made = reprint(transaction, number, owner, secrets.token_bytes(_TOKEN_BYTES), now_ms)
            if made is None:
                raise PlatformError(say("此签发者的状态名单已用完。", "The issuer's status list has no entry left."))
            hour = citizen_code.hour_of(now_ms // 1000)
            grant = Grant(made.token, made.status_index, entitlements=0, iat_h=hour, ttl_h=ttl_hours or longest)
            text = Ec1(citizen_code.issue(issuer.key(), grant, None)).text
            if png or svg:
                from tools.cli import qr

                qr.draw(text, png=drawn.get(png), svg=drawn.get(svg), terminal=False)
            if made.is_first:
                known = Register(transaction)
                known.put(Known(made.token, owner), now_ms)
                rows = [(row.medium, row.owner[1], row.entitlements, row.state) for row in known.rows(owner[0])]
                content = bundles.register_content(owner[0], rows)
                give_out(layout, Kind.REGISTER, f"{Kind.REGISTER.value}-{register}", content, now_ms)
            content = bundles.status_content(MAX_PRINTS, revoked(transaction, number))
            give_out(layout, Kind.STATUS, f"{Kind.STATUS.value}-{number}", content, now_ms)
    finally:
        store.close()
    facts = {"owner": shown(owner), "text": text, "token": made.token.hex(), "replaced": not made.is_first}
    click.echo(json.dumps(facts) if as_json else text)


@contextmanager
def _pictures(*paths: Path | None) -> Iterator[Mapping[Path | None, Path]]:
    """Where to draw each picture; it takes its own name when the block ends well, and else it never was."""
    drawn: dict[Path | None, Path] = {path: path.with_name(f".{path.name}.new") for path in paths if path is not None}
    try:
        yield drawn
        for path, new in drawn.items():
            if path is not None:
                new.replace(path)
    finally:
        for new in drawn.values():
            new.unlink(missing_ok=True)
