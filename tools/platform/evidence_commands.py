"""`onecard platform issuer` and `onecard platform evidence`: by whom evidence is judged, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tools.cli.words import say
from tools.platform import issuers
from tools.platform.ca import Authority
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.evidence import Verdict, counts
from tools.platform.known import check_terminal, enrolled
from tools.platform.service import Layout
from tools.platform.store import Store

_WORDS = {
    Verdict.PROVEN: ("已证实", "proven: a phone signed this showing"),
    Verdict.STATIC: ("静态码，可被复制", "static: a printed code, which anybody can copy"),
    Verdict.NONE: ("无证据", "none: a card that was merely read"),
    Verdict.UNJUDGED: ("签发者未登记，无法核验", "unjudged: the issuer was not added"),
    Verdict.UNREADABLE: ("无法解密", "unreadable: sealed under a key that is not here"),
    Verdict.FORGED: ("伪造", "forged"),
    Verdict.STALE: ("出示时间不符", "stale: shown at another time"),
    Verdict.REUSED: ("同一次出示被重复使用", "reused: the same showing stands in another record"),
    Verdict.WRONG_PERSON: ("登记册中该介质属于另一人", "wrong person: by the register the medium is somebody else's"),
    Verdict.MISUSED: ("出示的码不是用于支付的", "misused: the code was shown or issued for something else"),
    Verdict.LOST: ("介质当时已挂失或已更换", "lost: the medium was reported lost or replaced by then"),
}


def verdict_words(verdict: Verdict) -> str:
    """What a verdict means."""
    return say(*_WORDS[verdict])


@click.group(help=say("电子市民码的签发者，平台据此核验证据", "The issuers by which the platform verifies evidence"))
def issuer() -> None:
    """Hold the commands about issuers."""


@issuer.command(help=say("登记签发者的行（code keygen --row）", "Add an issuer's row (code keygen --row)"))
@click.argument("file", metavar=say("文件", "FILE"), type=click.Path(exists=True, dir_okay=False, path_type=Path))
@directory_option
def add(file: Path, directory: Path) -> None:
    """Counts for what is committed from now on, also on a running platform."""
    kept = issuers.add(Authority.at(Layout(directory).keys).issuers, file)
    click.echo(say(f"已登记：{kept}", f"added: {kept}"))


@issuer.command(name="list", help=say("列出签发者", "List the issuers"))
@directory_option
@json_option
def list_issuers(directory: Path, as_json: bool) -> None:
    """No key is printed."""
    rows = issuers.known(Authority.at(Layout(directory).keys).issuers)
    facts = [
        {"issuer": row.issuer, "kid": row.kid, "namespace": row.namespace, "algorithm": row.algorithm.name.lower()}
        for row in rows
    ]
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    titles = [say("签发者", "issuer"), say("密钥", "key"), say("命名空间", "namespace"), say("算法", "algorithm")]
    print_table(
        titles,
        [list(row.values()) for row in facts],
        say(
            "还没有登记签发者；用 onecard platform issuer add 登记 onecard code keygen --row 写出的文件。",
            "No issuer was added yet: `onecard platform issuer add` takes the file that `onecard code keygen --row`"
            " writes.",
        ),
    )


@click.command(help=say("涉及资金的记录各有何种持有人证据", "What evidence the records have that move money"))
@click.option("--terminal", "terminal_id", metavar="ID", help=say("只看一个终端", "Of one terminal only"))
@directory_option
@database_option
@json_option
def evidence(terminal_id: str | None, directory: Path, database: str | None, as_json: bool) -> None:
    """Count verdicts by terminal."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = counts(transaction, terminal_id)
            if not found and terminal_id is not None:
                check_terminal(transaction, terminal_id, enrolled(Layout(directory).keys))
    finally:
        store.close()
    if as_json:
        rows = [
            {"terminal": whose, "verdict": verdict.value, "count": count} for (whose, verdict), count in found.items()
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    titles = [say("终端", "terminal"), say("证据", "evidence"), say("记录数", "records")]
    print_table(
        titles,
        [[whose, verdict_words(verdict), count] for (whose, verdict), count in found.items()],
        say("还没有涉及资金的记录。", "No record has moved money yet."),
    )
