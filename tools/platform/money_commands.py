"""`onecard platform account` and `onecard platform intents`: whose money there is, and what became of each payment."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

import click

from profiles.payers import KIND_WORDS
from profiles.rules.funds import ACCOUNT, AccountKind
from tools.cli.words import say
from tools.platform import arrears
from tools.platform.accounts import person_of
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.holds import NOT_REGISTERED, Holds
from tools.platform.intents import State, intents
from tools.platform.ledger import Owner, accounts, block
from tools.platform.owners import OwnerType, shown
from tools.platform.service import Layout
from tools.platform.store import Store
from tools.platform.unproven import BEYOND_BOUND, DECIDED, UNPROVEN

_YUAN = re.compile(r"([0-9]{1,8})(?:\.([0-9]{1,2}))?")
STATES: Mapping[State, tuple[str, str]] = {
    State.ASKED: ("已询问，未了结", "asked, not ended"),
    State.HELD: ("已预占", "held"),
    State.DECLINED: ("已拒绝", "declined"),
    State.EXPIRED: ("预占已过期", "the hold has expired"),
    State.CAPTURED: ("已扣款", "captured"),
    State.CONTESTED: ("须人工核实，未扣款", "contested: a person decides"),
    State.RELEASED: ("已释放", "released"),
    State.REVERSED: ("已冲正", "reversed"),
}
FLAGS: Mapping[str, tuple[str, str]] = {
    "no-hold": ("无预占", "no hold"),
    BEYOND_BOUND: ("此人当日无证据的收款已达上限", "beyond what nothing proves of one person a day"),
    UNPROVEN: ("无持有人证据", "unproven"),
    "arrears": ("欠款", "arrears"),
    "recovered": ("欠款已补足", "recovered"),
    "declined": ("平台曾拒绝", "was declined"),
    "amount-differs": ("金额或付款人不符", "amount or person differs"),
    "account-unknown": ("没有账户", "no account"),
    "split": ("多方支付", "several pay"),
    "over-ceiling": ("超过信用额度", "beyond the credit granted"),
    "settles": ("结清欠款", "settles a debt"),
    "refunded": ("已部分退款", "part refunded"),
    "refund-differs": ("退款超过已付金额", "refund beyond what was paid"),
    "wrong-person": ("终端所记付款人不是持卡人，以登记册为准", "another person was named; the register's pays"),
    DECIDED: ("已人工核实", "a person decided"),
    "repeated": ("重复收款记录", "paid twice"),
    "paid-after-reversal": ("冲正后又收款", "paid after its reversal"),
    NOT_REGISTERED: (
        "终端未登记此商户、账户或资金",
        "the terminal is not registered for the merchant, account or fund",
    ),
}


CODES: Mapping[str, tuple[str, str]] = {
    "account-unknown": ("没有账户", "no account"),
    "account-blocked": ("账户已停用", "the account is blocked"),
    "insufficient-funds": ("余额不足", "not enough money"),
    "intent-differs": ("与先前的询问不符", "differs from what was asked before"),
    "intent-ended": ("款项已了结", "the payment had ended already"),
    "wrong-person": ("登记册中该介质属于另一人", "the medium is somebody else's"),
    "medium-lost": ("介质已挂失或已更换", "the medium is lost or replaced"),
    "terminal-not-registered": ("终端未登记收款（terminal allow）", "the terminal is not registered (terminal allow)"),
    "merchant-not-registered": ("终端未登记此商户", "the terminal is not registered for this merchant"),
    "fund-not-registered": ("终端未登记此资金", "the terminal is not registered for this fund"),
    "account-not-registered": ("终端未登记此账户", "the terminal is not registered for this account"),
    "evidence-unreadable": ("持有人证据无法解密", "the evidence cannot be opened"),
    "evidence-forged": ("持有人证据是伪造的", "the evidence is forged"),
    "evidence-stale": ("持有人证据的时间不符", "the evidence is of another time"),
    "evidence-reused": ("持有人证据已用于另一笔", "the evidence served another payment"),
    "evidence-misused": ("持有人出示的码不是用于支付的", "the code was shown or issued for something else"),
    "too-many-holds": ("终端的预占笔数已满", "the terminal has too many holds"),
    "holds-exceed-limit": ("终端的预占总额已满", "the terminal holds too much"),
    "not-proven": ("金额过大且无持有人证据", "too much for what nothing proves"),
    "too-many-unproven": ("此账户无证据的预占过多", "too many holds on this account that nothing proves"),
}
"""Why a payment was declined."""


class FenType(click.ParamType[int]):
    """An amount in yuan as people write it, above nothing unless said otherwise; in fen."""

    name = "yuan"

    def __init__(self, least_fen: int = 1) -> None:
        self._least_fen = least_fen

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or say what is wrong with it."""
        if isinstance(value, int):
            return value
        found = _YUAN.fullmatch(value)
        if found is None:
            if _YUAN.fullmatch(value.removeprefix("-")):
                self.fail(say("金额不能为负", "is below nothing: amounts are above 0"), param, ctx)
            said = ("应为金额，如 12.50，至多 99999999.99", "should be an amount, like 12.50; at most 99999999.99")
            self.fail(say(*said), param, ctx)
        amount_fen = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
        if amount_fen < self._least_fen:
            self.fail(say("金额应大于 0", "is nothing: amounts are above 0"), param, ctx)
        return amount_fen


owner_argument = click.argument("owner", type=OwnerType(), metavar=say("账户", "ACCOUNT"))


@click.group(help=say("参考账户，供测试与演示", "Reference accounts, for tests and demonstrations"))
def account() -> None:
    """Hold the commands about accounts."""


@account.command(
    # `-5` is an amount that somebody wrote, and no option: it is told what is wrong with it.
    context_settings={"ignore_unknown_options": True},
    help=say("存入金额；没有账户则开户", "Pay in; the first time opens the account"),
)
@owner_argument
@click.argument("amount_fen", type=FenType(), metavar=say("元", "YUAN"))
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in AccountKind]),
    default=ACCOUNT,
    help=say("哪一种账户（credit：结清欠款）", "Which of the person's accounts (credit: settles what is owed)"),
)
@directory_option
@database_option
def pay_in(owner: Owner, amount_fen: int, kind: str, directory: Path, database: str | None) -> None:
    """Write a ledger entry, also while the platform runs."""
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            balance_fen = arrears.pay_in(transaction, owner, amount_fen, now_ms(), kind)
    finally:
        store.close()
    click.echo(say(f"余额 {yuan(balance_fen)} 元", f"balance: {yuan(balance_fen)} yuan"))


@account.command(
    name="block", help=say("停用账户，或用 --undo 恢复", "Block an account, or with --undo let it pay again")
)
@owner_argument
@click.option("--undo", is_flag=True, help=say("恢复使用", "Let it pay again"))
@directory_option
@database_option
def block_account(owner: Owner, undo: bool, directory: Path, database: str | None) -> None:
    """What is held already may still be captured."""
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            known = block(transaction, owner, blocked=not undo)
    finally:
        store.close()
    if not known:
        raise PlatformError(say("没有这个账户。", "There is no such account."))
    click.echo(say("账户已恢复", "the account pays again") if undo else say("账户已停用", "the account is blocked"))


@account.command(name="list", help=say("列出账户", "List the accounts"))
@directory_option
@database_option
@json_option
def list_accounts(directory: Path, database: str | None, as_json: bool) -> None:
    """Balances, holds not taken off."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = [(row, person_of((row.namespace, row.subject))) for row in accounts(transaction)]
    finally:
        store.close()
    rows = [
        {"owner": shown(person), "kind": kind, "balance_fen": row.balance_fen, "blocked": row.blocked}
        for row, (person, kind) in found
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    print_table(
        [say("账户", "account"), say("种类", "kind"), say("余额（元）", "balance, yuan"), say("停用", "blocked")],
        [[shown(person), _kind_word(kind), yuan(row.balance_fen), say("是", "yes") if row.blocked else ""]
         for row, (person, kind) in found],
        say("还没有账户；onecard platform intents 显示谁要付款，onecard platform account pay-in 为其存入。",
            "There are no accounts yet: `onecard platform intents` shows who wanted to pay, `onecard platform account"
            " pay-in` opens an account."),
    )  # fmt: skip


def _kind_word(kind: str) -> str:
    word = KIND_WORDS[kind]
    return say(word.zh, word.en)


@click.command(name="intents", help=say("每笔付款的去向、原因和账户", "What became of each payment"))
@click.option("--open", "only_open", is_flag=True, help=say("只看没有了结的", "Only those without an end"))
@directory_option
@database_option
@json_option
def list_intents(only_open: bool, directory: Path, database: str | None, as_json: bool) -> None:
    """The latest change first."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = intents(transaction, now_ms(), only_open=only_open)
    finally:
        store.close()
    if as_json:
        rows = [
            {
                "intent": each.intent_id.hex(),
                "terminal": each.terminal,
                "state": each.state.value,
                "amount_fen": each.amount_fen,
                "merchant": each.merchant,
                "business_date": each.business_date,
                "owner": shown(each.owner),
                "until_ms": each.until_ms or None,
                "code": each.code or None,
                "flags": [flag for flag in each.flags.split(",") if flag],
            }
            for each in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    if only_open and not found:
        click.echo(say("没有未了结的付款。", "No payment is open."))
        return
    print_table(
        [say("款项", "intent"), say("终端", "terminal"), say("金额（元）", "yuan"), say("商户", "merchant"),
         say("营业日", "business date"), say("状态", "state"), say("说明", "remarks")],
        [[each.intent_id.hex()[-8:], each.terminal, yuan(each.amount_fen), each.merchant, each.business_date,
          say(*STATES[each.state]), _remarks(each.code, each.flags)] for each in found],
        say("还没有付款；先在收款终端上收一笔（onecard run --preset till --local-platform）。",
            "There are no payments yet: take one at a till (`onecard run --preset till --local-platform`)."),
    )  # fmt: skip
    # Beneath it: an account is copied by hand, and a narrow window would fold it.
    for owner in dict.fromkeys(each.owner for each in found):
        ids = " ".join(each.intent_id.hex()[-8:] for each in found if each.owner == owner)
        click.echo(say(f"账户 {shown(owner)}：{ids}", f"account {shown(owner)}: {ids}"))


@click.command(name="decide", help=say("核实有争议的收款", "Decide on a contested payment"))
@click.argument("intent", metavar=say("款项", "INTENT"))
@click.option("--capture/--drop", default=None, help=say("扣款，或放弃；必选其一", "Capture it, or drop it; say which"))
@directory_option
@database_option
def decide_intent(intent: str, capture: bool | None, directory: Path, database: str | None) -> None:
    """The end of its id, as the table shows it, is enough where it is the only one."""
    if capture is None:
        raise click.UsageError(say("请给出 --capture（扣款）或 --drop（放弃）", "say --capture or --drop"))
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            contested = [
                each
                for each in intents(transaction, now_ms())
                if each.state is State.CONTESTED and each.intent_id.hex().endswith(intent.lower())
            ]
            if len(contested) != 1:
                said = ("没有这笔有争议的收款，或不止一笔。", "There is no such contested payment, or several.")
                raise PlatformError(say(*said))
            (found,) = contested
            Holds(transaction, found.terminal, now_ms()).decide(found.intent_id, capture=capture)
    finally:
        store.close()
    amount = yuan(found.amount_fen)
    if capture:
        click.echo(say(f"已扣款 {amount} 元", f"captured: {amount} yuan"))
    else:
        click.echo(say(f"已放弃 {amount} 元", f"dropped: {amount} yuan"))


def yuan(fen: int) -> str:
    """`-1250` → `-12.50`."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _remarks(code: str, flags: str) -> str:
    """Why it was declined, and what else the operator should know."""
    words = [*([say(*CODES.get(code, (code, code)))] if code else ()),
             *(say(*FLAGS.get(flag, (flag, flag))) for flag in flags.split(",") if flag)]  # fmt: skip
    return say("，", ", ").join(dict.fromkeys(words))


def now_ms() -> int:
    return time.time_ns() // 1_000_000
