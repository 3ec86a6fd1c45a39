"""`onecard platform terminal`: its keys, and what it may ask for."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
from cryptography import x509

from agent.config import ConfigError, load
from profiles.reasons import counted
from tools.cli.words import say
from tools.platform import enrolments
from tools.platform.another_box import again_option, check_known, refuse_keys_in_use
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.closed_chains import close_all, open_chains
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.leases import end
from tools.platform.money_commands import FenType, yuan
from tools.platform.registration_of import registration_of
from tools.platform.registrations import Registration, allow, forbid, registrations
from tools.platform.revocation import revoke
from tools.platform.service import Layout
from tools.platform.store import Store

_terminal_argument = click.argument("terminal_id", metavar="ID")


@click.group(name="terminal", help=say("管理终端", "Manage terminals"))
def terminal_group() -> None:
    """Hold the commands about terminals."""


@terminal_group.command(help=say("为终端生成密钥目录", "Make a terminal's key directory"))
@_terminal_argument
@click.option(
    "--to", "target", required=True, type=click.Path(path_type=Path), help=say("密钥目录", "The key directory")
)
@click.option(
    "--replace",
    is_flag=True,
    help=say("换下旧设备：旧证书和旧链随即失效", "Another box: the former one counts no more"),
)
@again_option
@directory_option
@database_option
def add(terminal_id: str, target: Path, replace: bool, again: bool, directory: Path, database: str | None) -> None:
    """Provision a terminal. What it may ask for is another command's: `allow`."""
    layout = Layout(directory)
    authority = Authority.at(layout.keys)
    check_known(terminal_id, known=terminal_id in authority.enrolled(), replace=replace, again=again)
    if replace:
        refuse_keys_in_use(authority, terminal_id, target)
    if not (replace or again):
        _give(authority, terminal_id, target)
        return
    store = Store.open(database or layout.database_url)  # before any key is made: without it nothing ends
    try:
        if replace:  # first of all: a run that is cut leaves nothing of the former box in force
            _end_former(store, authority, terminal_id, kept=None)
        _give(authority, terminal_id, target)
        if again:  # last of all: a run that is cut leaves the box a certificate that counts
            _end_former(store, authority, terminal_id, kept=target / "tls.pem")
    finally:
        store.close()


def _give(authority: Authority, terminal_id: str, target: Path) -> None:
    authority.provision(terminal_id, target)
    click.echo(say(f"终端 {terminal_id} 的密钥在 {target}", f"The keys of terminal {terminal_id} are in {target}"))


def _end_former(store: Store, authority: Authority, terminal_id: str, *, kept: Path | None) -> None:
    """As an enrolment in the place of another does. At the private broker it counts within moments.

    Where a certificate is kept, it is the same box, whose chains go on.
    """
    certificate = None if kept is None else x509.load_pem_x509_certificate(kept.read_bytes())
    with store.transaction() as transaction:
        enrolments.revoke(transaction, terminal_id)
        closed = close_all(transaction, terminal_id, time.time_ns() // 1_000_000) if kept is None else 0
        left = len(open_chains(transaction, terminal_id))
    count = revoke(authority, terminal_id, keep=certificate)
    click.echo(
        say(
            f"撤销旧证书 {count} 张，结束旧记录链 {closed} 条",
            f"of the former ones: {counted(count, 'certificate')} revoked, {counted(closed, 'chain')} closed",
        )
    )
    if left:
        click.echo(
            say(
                f"记录链 {left} 条继续有效，属于同一台设备；旧设备如已丢失或被盗，请再用 --replace 和另一个目录。",
                f"{counted(left, 'chain')} left open, as the same box's: if it was lost or stolen, say --replace with"
                " another directory.",
            )
        )


@terminal_group.command(
    name="allow",
    help=say(
        "登记终端可以为哪些商户、账户和补贴收款；未登记的终端一律拒绝",
        "Say for which merchants, accounts and funds a terminal may ask; until then it may for none",
    ),
)
@_terminal_argument
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=say("按终端的配置文件登记", "As the terminal's own configuration has it"),
)
@click.option("--merchant", "merchants", multiple=True, help=say("商户，可多次", "A merchant; any number"))
@click.option("--fund", "funds", multiple=True, help=say("补贴等资金，可多次", "A fund, such as a subsidy; any number"))
@click.option("--account", "accounts", multiple=True, help=say("个人的其他账户，可多次", "A person's further account"))
@click.option("--line", "lines", multiple=True, help=say("可查询行程的线路，可多次", "A line, to hear of its trips"))
@click.option(
    "--balances-by-card",
    is_flag=True,
    help=say("凭卡即可查余额（卡不能证明持有人在场）", "Tell a balance to cards, which prove nobody's presence"),
)
@click.option("--subsidies", is_flag=True, help=say("可以查询补贴明细", "Let it ask for people's subsidies"))
@click.option("--holds", type=click.IntRange(0, 100_000), help=say("同时预占的笔数上限", "Holds alive at once"))
@click.option("--holds-yuan", "holds_fen", type=FenType(), help=say("预占总额上限", "Their sum"))
@directory_option
@database_option
def allow_terminal(
    terminal_id: str,
    config: Path | None,
    merchants: tuple[str, ...],
    funds: tuple[str, ...],
    accounts: tuple[str, ...],
    lines: tuple[str, ...],
    balances_by_card: bool,
    subsidies: bool,
    holds: int | None,
    holds_fen: int | None,
    directory: Path,
    database: str | None,
) -> None:
    """Counts at once, also on a running platform, and in place of what was said before."""
    limits = {"holds": holds, "holds_fen": holds_fen}
    try:
        given = Registration.model_validate(
            {"merchants": merchants, "funds": funds, "accounts": accounts, "lines": lines}
            | {"balances_by_card": balances_by_card, "subsidies": subsidies}
            | {name: value for name, value in limits.items() if value is not None}
        )
    except ValueError as error:
        raise PlatformError(
            say("名称应为 1 至 64 个字符，每类至多 64 个。", "A name has 1 to 64 characters; 64 of a kind at most.")
        ) from error
    if config is not None:
        try:
            given = given.joined(registration_of(load(config)))
        except ConfigError as error:
            raise PlatformError(str(error)) from error
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            allow(transaction, terminal_id, given)
    finally:
        store.close()
    click.echo(f"{terminal_id}{say('：', ': ')}{_words(given)}")


@terminal_group.command(
    name="forbid", help=say("撤销登记，如终端被盗", "Let a terminal ask for nothing any more, as after a theft")
)
@_terminal_argument
@directory_option
@database_option
def forbid_terminal(terminal_id: str, directory: Path, database: str | None) -> None:
    """What is held already expires; what its journal still brings is contested. No enrolment allows it anew."""
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            known = forbid(transaction, terminal_id)
    finally:
        store.close()
    if not known:
        raise PlatformError(say("该终端没有登记。", "This terminal was not registered."))
    click.echo(say(f"{terminal_id} 不能再收款", f"{terminal_id} may ask for nothing any more"))


@terminal_group.command(
    name="retire",
    help=say(
        "终端退役或被盗：撤销证书和注册码，结束其记录链，不再收款",
        "Out of use, or stolen: no certificate, no code, no chain, no money any more",
    ),
)
@_terminal_argument
@directory_option
@database_option
def retire_terminal(terminal_id: str, directory: Path, database: str | None) -> None:
    """At the private broker it counts within moments; another broker is to be started again."""
    layout = Layout(directory)
    authority = Authority.at(layout.keys)
    if terminal_id not in authority.enrolled():
        raise PlatformError(say(f"没有终端 {terminal_id}。", f"There is no terminal {terminal_id}."))
    store = Store.open(database or layout.database_url)
    try:
        with store.transaction() as transaction:
            forbid(transaction, terminal_id)
            enrolments.revoke(transaction, terminal_id)
            close_all(transaction, terminal_id, time.time_ns() // 1_000_000)
        count = revoke(authority, terminal_id)
        (authority.sealing_keys / f"{terminal_id}.pem").unlink(missing_ok=True)
        end(BundleStore(layout.bundles), terminal_id)
    finally:
        store.close()
    click.echo(
        say(
            f"{terminal_id} 已退役，撤销证书 {count} 张",
            f"{terminal_id} is retired; {counted(count, 'certificate')} revoked",
        )
    )


@terminal_group.command(name="registrations", help=say("列出各终端可以收取什么", "List what each terminal may ask for"))
@directory_option
@database_option
@json_option
def list_registrations(directory: Path, database: str | None, as_json: bool) -> None:
    """Those that were registered."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = registrations(transaction)
    finally:
        store.close()
    if as_json:
        rows = [{"terminal": name, **each.model_dump(mode="json")} for name, each in found.items()]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    print_table(
        [say("终端", "terminal"), say("可以收取", "may ask for")],
        [[name, _words(each)] for name, each in found.items()],
        say(
            "还没有终端登记收款；用 onecard platform terminal allow 登记。",
            "No terminal was registered to ask for money: `onecard platform terminal allow` does it.",
        ),
    )


def _words(given: Registration) -> str:
    """One line."""
    named = [
        (say("商户", "merchants"), given.merchants),
        (say("资金", "funds"), given.funds),
        (say("账户", "accounts"), given.accounts),
        (say("线路", "lines"), given.lines),
    ]
    parts = [f"{what} {', '.join(sorted(names))}" for what, names in named if names]
    if given.subsidies:
        parts.append(say("补贴明细", "people's subsidies"))
    if given.balances_by_card:
        parts.append(say("凭卡查余额", "balances to cards"))
    limit = yuan(given.holds_fen)
    parts.append(
        say(f"预占至多 {given.holds} 笔、{limit} 元", f"at most {counted(given.holds, 'hold')} of {limit} yuan in all")
    )
    return say("；", "; ").join(parts)
