"""`onecard platform enrol`: codes for boxes that are to become terminals."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from cryptography import x509

from agent.sync.contract.enrol import fingerprint
from tools.cli import qr
from tools.cli.asking import answer
from tools.cli.presets import preset_names
from tools.cli.times import local
from tools.cli.words import say
from tools.platform import enrolments, revocation
from tools.platform.another_box import again_option, check_known
from tools.platform.ca import Authority
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.enrol_codes import Brokers, Wanted, like_the_former, new_row, text_of
from tools.platform.enrolments import Stage
from tools.platform.errors import PlatformError
from tools.platform.service import Layout
from tools.platform.store import Store, Transaction, state_table

_HOUR_MS = 3_600_000
_STAGES = {
    Stage.OPEN: ("未使用", "unused"),
    Stage.ASKED: ("等待核对指纹", "waits for its fingerprint"),
    Stage.CONFIRMED: ("已核对", "confirmed"),
    Stage.GRANTED: ("已发证书", "has its certificate"),
    Stage.REVOKED: ("已撤销", "revoked"),
}
_code_argument = click.argument("enrol_id", metavar=say("编号", "ID"))


def _pictures(command: Any) -> Any:
    """How a code is shown."""
    for option in (
        click.option(
            "--qr", "in_terminal", is_flag=True, help=say("在终端里显示二维码", "Show it as a QR symbol here")
        ),
        click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help=say("写成 PNG", "Write it as PNG")),
        click.option("--host", help=say("终端访问消息服务器用的主机名", "The broker's host name as terminals know it")),
        click.option(
            "--enrol-port",
            type=click.IntRange(1, 65_535),
            help=say("注册端口（默认：平台上次用的）", "The port for enrolment (default: the platform's last)"),
        ),
    ):
        command = option(command)
    return command


@click.group(
    name="enrol", help=say("终端注册：生成、列出、核对、撤销注册码", "Enrolment codes: make, list, confirm, revoke")
)
def enrol_group() -> None:
    """Hold the commands."""


@enrol_group.command(
    name="new", help=say("为一台终端生成注册码，只能用一次", "Make a code for one terminal, good once")
)
@click.argument("terminal", metavar=say("终端编号", "TERMINAL"))
@click.option(
    "--site",
    help=say(
        "场所（默认：--replace 与 --again 时同前一台）",
        "The place that it serves (default with --replace and --again: the former box's)",
    ),
)
@click.option("--profile", type=click.Choice(preset_names()), help=say("使用此预设的配置", "Give it this preset"))
@click.option(
    "--config",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=say("下发这份配置", "Give it this configuration"),
)
@click.option(
    "--hours",
    type=click.IntRange(1, 24 * 30),
    default=24,
    show_default=True,
    help=say("有效小时数", "Hours it is good"),
)
@click.option(
    "--replace",
    is_flag=True,
    help=say(
        "换下旧设备，默认沿用其场所和配置；旧证书和旧链随即失效",
        "Another box, by default with the former one's site and configuration; that one counts no more",
    ),
)
@again_option
@click.option(
    "--unconfirmed", is_flag=True, help=say("不核对指纹：持有注册码即可", "No fingerprint: the code alone is enough")
)
@_pictures
@directory_option
@database_option
@json_option
def new(
    terminal: str,
    site: str | None,
    profile: str | None,
    file: Path | None,
    hours: int,
    replace: bool,
    again: bool,
    unconfirmed: bool,
    in_terminal: bool,
    png: Path | None,
    host: str | None,
    enrol_port: int | None,
    directory: Path,
    database: str | None,
    as_json: bool,
) -> None:
    """Print the text: whoever has it can ask to be this terminal, until it is used, ends or is revoked."""
    layout = Layout(directory)
    authority, brokers = Authority.at(layout.keys), Brokers.of(layout, host, enrol_port)
    check_known(terminal, known=terminal in authority.enrolled(), replace=replace, again=again)
    now_ms = time.time_ns() // 1_000_000
    wanted = Wanted(terminal, site, profile, file, hours * _HOUR_MS, not unconfirmed, replace or again, replace)
    with _transaction(layout, database) as transaction:
        former = enrolments.former_of(transaction, terminal) if replace or again else None
        meant = wanted if former is None else like_the_former(wanted, former)
        row = new_row(meant, brokers, now_ms)
        text = text_of(row, authority, brokers.enrol)
        enrolments.add(transaction, row)
    if not as_json:
        _tell_what_stays(wanted, meant)
    _tell(str(row["id"]), text, png, in_terminal=in_terminal, as_json=as_json)


@enrol_group.command(name="show", help=say("再次显示一个未用的注册码", "Show a code again that nobody has used"))
@_code_argument
@_pictures
@directory_option
@database_option
@json_option
def show(
    enrol_id: str,
    in_terminal: bool,
    png: Path | None,
    host: str | None,
    enrol_port: int | None,
    directory: Path,
    database: str | None,
    as_json: bool,
) -> None:
    """The same code; its text differs where another broker is named."""
    layout = Layout(directory)
    brokers = Brokers.of(layout, host, enrol_port)
    with _transaction(layout, database) as transaction:
        row = _found(transaction, enrol_id)
        text = text_of(row._mapping, Authority.at(layout.keys), brokers.enrol)
    _tell(row.id, text, png, in_terminal=in_terminal, as_json=as_json)


@enrol_group.command(name="list", help=say("列出注册码及其进展", "List the codes and how far each has come"))
@directory_option
@database_option
@json_option
def list_codes(directory: Path, database: str | None, as_json: bool) -> None:
    """The latest first."""
    with _transaction(Layout(directory), database) as transaction:
        states = dict(
            transaction.connection.execute(sa.select(state_table.c.terminal, state_table.c.received_ms)).all()
        )
        rows = [_row(row, states.get(row.terminal)) for row in enrolments.listed(transaction)]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    titles = [say("编号", "id"), say("终端", "terminal"), say("场所", "site"), say("进展", "stage"),
              say("指纹", "fingerprint"), say("有效至", "good until"), say("首次上报", "has reported")]  # fmt: skip
    print_table(
        titles,
        [[row["id"], row["terminal"], row["site"] or "", say(*_STAGES[Stage(row["stage"])]), row["fingerprint"] or "",
          local(row["expires_ms"]), say("是", "yes") if row["ready"] else ""] for row in rows],
        say("还没有注册码：onecard platform enrol new", "There are no codes yet: onecard platform enrol new"),
    )  # fmt: skip


@enrol_group.command(
    help=say(
        "核对设备屏幕上的指纹，然后发给它证书",
        "Compare the fingerprint that the box shows; then it gets its certificate",
    )
)
@_code_argument
@click.option("--fingerprint", "told", help=say("技术员报来的指纹", "The fingerprint that the technician tells"))
@directory_option
@database_option
def confirm(enrol_id: str, told: str | None, directory: Path, database: str | None) -> None:
    """Without --fingerprint it is asked for."""
    with _transaction(Layout(directory), database) as transaction:
        row = _waiting(transaction, enrol_id)
    known = fingerprint(row.asked)
    if told is None:
        click.echo(row.terminal)  # not the fingerprint: whoever types it has it from the box
        told = answer(say("请输入设备显示的指纹", "The fingerprint that the box shows"), "--fingerprint")
    if not hmac.compare_digest(_plain(told).encode(), _plain(known).encode()):
        raise PlatformError(
            say(
                f"指纹不符，没有发证书：另一台设备用了这个注册码？撤销：onecard platform enrol revoke {row.id}",
                f"Not the same: no certificate is given. Has another box used this code?"
                f" Revoke it: onecard platform enrol revoke {row.id}",
            )
        )
    with _transaction(Layout(directory), database) as transaction:
        _waiting(transaction, row.id)  # the prompt may have stood for hours: the code may be revoked by now
        enrolments.change(transaction, row.id, stage=Stage.CONFIRMED.value)
    click.echo(say(f"已核对：{row.terminal} 将得到证书。", f"Confirmed: {row.terminal} gets its certificate."))


@enrol_group.command(
    help=say("撤销注册码；已发及换发的证书一并失效", "Revoke a code, and what certificates its box was given")
)
@_code_argument
@directory_option
@database_option
def revoke(enrol_id: str, directory: Path, database: str | None) -> None:
    """Of certificates, the code's own and those that the same box was given since; the next box's stay.

    At the private broker it counts within moments; another broker is to be started again.
    """
    layout = Layout(directory)
    with _transaction(layout, database) as transaction:
        row = _found(transaction, enrol_id)
        enrolments.change(transaction, row.id, stage=Stage.REVOKED.value)
        after = None if row.certificate is None else enrolments.next_of(transaction, row)
    if row.certificate is not None:
        first = x509.load_der_x509_certificate(row.certificate)
        until = None if after is None else x509.load_der_x509_certificate(after.certificate)
        revocation.revoke_since(Authority.at(layout.keys), row.terminal, first, until)
    click.echo(say(f"已撤销 {row.id}（{row.terminal}）。", f"{row.id} ({row.terminal}) is revoked."))


@contextmanager
def _transaction(layout: Layout, database: str | None) -> Iterator[Transaction]:
    store = Store.open(database or layout.database_url)
    try:
        with store.transaction() as transaction:
            yield transaction
    finally:
        store.close()


def _found(transaction: Transaction, enrol_id: str) -> sa.Row[Any]:
    """A code by its id, or by the terminal of the latest one."""
    row = enrolments.find(transaction, enrol_id) or enrolments.latest_of(transaction, enrol_id)
    if row is None:
        raise PlatformError(say(f"没有注册码 {enrol_id}。", f"There is no code {enrol_id}."))
    return row


def _waiting(transaction: Transaction, enrol_id: str) -> sa.Row[Any]:
    """The same, of which the fingerprint is to be compared. What a box asked by it never changes."""
    row = _found(transaction, enrol_id)
    if row.stage != Stage.ASKED or row.asked is None:
        zh, en = _STAGES[Stage(row.stage)]
        raise PlatformError(
            say(f"注册码 {row.id} {zh}，无需核对。", f"Code {row.id}: {en}; there is nothing to confirm.")
        )
    return row


def _row(row: sa.Row[Any], reported_ms: int | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "terminal": row.terminal,
        "site": row.site,
        "profile": row.profile,
        "stage": row.stage,
        "replaces": row.replaces,
        "fingerprint": None if row.asked is None else fingerprint(row.asked),
        "created_ms": row.created_ms,
        "expires_ms": row.expires_ms,
        "granted_ms": row.granted_ms,
        "ready": row.granted_ms is not None and reported_ms is not None and reported_ms >= row.granted_ms,
    }


def _tell_what_stays(wanted: Wanted, meant: Wanted) -> None:
    stays = [say(f"场所 {meant.site}", f"site {meant.site}")] if meant.site != wanted.site else []
    stays += [say("配置", "its configuration")] if meant.text is not None else []
    if stays:
        click.echo(say(f"沿用前一台：{'、'.join(stays)}", f"as the former box: {', '.join(stays)}"), err=True)


def _tell(enrol_id: str, text: str, png: Path | None, *, in_terminal: bool, as_json: bool) -> None:
    if png is not None or in_terminal:
        qr.draw(text, png=png, svg=None, terminal=in_terminal)
    if as_json:
        click.echo(json.dumps({"id": enrol_id, "code": text}))
        return
    click.echo(text)
    click.echo(
        say(
            f"编号 {enrol_id}。谁拿到这段文字，谁就能成为这台终端：只交给技术员，用完即失效。",
            f"id {enrol_id}. Whoever has this text can become the terminal, once: hand it to the technician alone.",
        ),
        err=True,
    )


def _plain(told: str) -> str:
    return "".join(character for character in told.upper() if character.isalnum())
