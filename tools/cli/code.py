"""``onecard code``: make a citizen code as issuer and phone do, look at it, and judge it as a lane does."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from agent import signatures
from agent.credentials import cwt, ec1
from agent.credentials.codes import CodeVerifier
from agent.credentials.ec1 import Ec1, Ec1Error, Issued
from agent.credentials.lists import Lists
from agent.credentials.status import StatusList
from agent.credentials.trust import Term, TrustList
from agent.facts import Marks
from agent.signatures import Algorithm
from agent.words import say
from profiles.api import Presented, Reason, Rejected
from profiles.purpose import Purpose
from profiles.rules.codes import MAX_LIFETIME_MS, CodePolicy
from tools import citizen_code
from tools.citizen_code import Grant
from tools.cli import code_files, verdicts
from tools.cli.installed_lists import installed_lists
from tools.cli.place import existing, optional_state_dir_option
from tools.cli.times import at_option, moment, now_ms

_ALGORITHMS = {algorithm.name.lower(): algorithm for algorithm in Algorithm}
_PURPOSES = {purpose.name.lower(): purpose for purpose in Purpose}
_DAY_MS = 86_400_000
_KEY_DAYS = 365
_TOKEN_BYTES, _NONCE_BYTES, _READING_KEY_BYTES = 16, 4, 32
_STATUS_ENTRIES = 1 << 20
_MAX_DIGITS = 10
_STDIN = "-"

_FILE = click.Path(dir_okay=False, path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))


def _row_option(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--row",
        "rows",
        type=_FILE,
        multiple=True,
        required=required,
        help=say("签发者的信任列表行（可多次）", "An issuer's row of the trust list (may be repeated)"),
    )


class _Token(click.ParamType[bytes]):
    name = "hex"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        try:
            token = bytes.fromhex(value)
        except ValueError:
            token = b""
        if len(token) != _TOKEN_BYTES:
            self.fail(say("应为 32 个十六进制字符", "give 32 hexadecimal digits"), param, ctx)
        return token


class _StatusIndex(click.ParamType[int]):
    name = "index"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS and int(text) < _STATUS_ENTRIES):
            self.fail(
                say(
                    f"应为 0 至 {_STATUS_ENTRIES - 1} 的序号：与 --row 同用的名单只有这么长，更长的请用"
                    " onecard status-list 制作",
                    f"give an index from 0 to {_STATUS_ENTRIES - 1}: the list beside --row is no longer;"
                    " `onecard status-list` makes longer ones",
                ),
                param,
                ctx,
            )
        return int(text)


@click.group(help=say("制作、显示与验证市民码", "Make, show and verify citizen codes"))
def code() -> None:
    """Hold the code's commands."""


@code.command(
    help=say(
        "生成手机密钥；给出 --row 时生成签发者密钥及其信任列表行",
        "Make a phone's key; with --row an issuer's, and its row of the trust list",
    )
)
@click.argument("file", metavar=say("文件", "FILE"), type=_FILE)
@click.option(
    "--algorithm",
    type=click.Choice(list(_ALGORITHMS)),
    default="es256",
    show_default=True,
    help=say("签名算法", "What the key signs with"),
)
@click.option("--row", type=_FILE, help=say("信任列表行写入此文件", "Where the row goes"))
@click.option(
    "--issuer",
    type=click.IntRange(0, 0xFFFF),
    default=1,
    show_default=True,
    help=say("签发者编号", "The number of the issuer"),
)
@click.option(
    "--kid",
    type=click.IntRange(0, 0xFFFF),
    default=1,
    show_default=True,
    help=say("签发者的密钥编号", "The issuer's number of this key"),
)
@click.option(
    "--namespace", default="city", show_default=True, help=say("主体编号的命名空间", "The namespace of the subjects")
)
@click.option("--static", is_flag=True, help=say("允许签发静态码", "The issuer may issue static codes"))
@click.option(
    "--site",
    "sites",
    multiple=True,
    help=say("其码只在此站点有效（可多次）", "Its codes count at this site only (repeatable)"),
)
@click.option(
    "--purpose",
    "purposes",
    type=click.Choice(list(_PURPOSES)),
    multiple=True,
    help=say("其码的用途（可多次；默认不限）", "What its codes are good for (repeatable; default: any)"),
)
@click.option(
    "--entitlement",
    "bits",
    type=click.IntRange(0, 31),
    multiple=True,
    help=say("可以签发的权益位（可多次；默认全部）", "A bit that it may set (repeatable; default: all)"),
)
@click.option(
    "--max-ttl-hours",
    type=click.IntRange(1, 0xFFFF),
    default=_KEY_DAYS * 24,
    show_default=True,
    help=say("凭证最长有效小时数", "The longest that its credentials may last"),
)
@at_option
@json_option
def keygen(
    file: Path,
    algorithm: str,
    row: Path | None,
    issuer: int,
    kid: int,
    namespace: str,
    static: bool,
    sites: tuple[str, ...],
    purposes: tuple[str, ...],
    bits: tuple[int, ...],
    max_ttl_hours: int,
    at_ms: int | None,
    as_json: bool,
) -> None:
    """Write new keys, mode 0600; nothing that exists is overwritten."""
    private = signatures.generate(_ALGORITHMS[algorithm])
    if row is None:
        code_files.write(file, code_files.PhoneKeyFile(algorithm=private.algorithm, private=private.raw))
    else:
        at = now_ms(at_ms)
        content = code_files.RowFile(
            issuer=issuer,
            kid=kid,
            algorithm=private.algorithm,
            public=private.public.encoded,
            valid_from_ms=at - _DAY_MS,
            valid_until_ms=at + _KEY_DAYS * _DAY_MS,
            namespace=namespace,
            entitlements=sum(1 << bit for bit in set(bits)) if bits else 0xFFFF_FFFF,
            purposes=frozenset(_PURPOSES[name] for name in purposes) or frozenset({Purpose.ANY}),
            max_ttl_hours=max_ttl_hours,
            static_allowed=static,
            reading_key=secrets.token_bytes(_READING_KEY_BYTES),
            sites=frozenset(sites),
        )
        code_files.write(row, content)
        code_files.write(file, code_files.IssuerKeyFile(private=private.raw, row=content))
    facts = {"file": str(file), "algorithm": algorithm, "public": private.public.encoded.hex()}
    click.echo(json.dumps(facts) if as_json else facts["public"])


@code.command(
    help=say(
        "签发：打印手机保存的凭证（十六进制），或一个静态码",
        "Issue: print the credential that a phone keeps (hexadecimal), or a static code",
    )
)
@click.option("--by", type=_FILE, required=True, help=say("签发者密钥文件", "The issuer's key file"))
@click.option("--device", type=_FILE, help=say("手机密钥文件；不给则为静态码", "The phone's key file; none: static"))
@click.option("--token", type=_Token(), help=say("介质编号（默认随机）", "The medium id (default: random)"))
@click.option(
    "--status-index",
    type=click.IntRange(0, 0xFFFF_FFFF),
    default=0,
    show_default=True,
    help=say("状态列表中的序号", "The entry in the status list"),
)
@click.option("--entitlement", "bits", type=click.IntRange(0, 31), multiple=True, help=say("权益位", "A bit to set"))
@click.option(
    "--ttl-hours",
    type=click.IntRange(1, 0xFFFF),
    default=24,
    show_default=True,
    help=say("有效小时数", "Hours for which it is good"),
)
@at_option
@json_option
def issue(
    by: Path,
    device: Path | None,
    token: bytes | None,
    status_index: int,
    bits: tuple[int, ...],
    ttl_hours: int,
    at_ms: int | None,
    as_json: bool,
) -> None:
    """Sign a credential."""
    grant = Grant(
        token=token or secrets.token_bytes(_TOKEN_BYTES),
        status_index=status_index,
        entitlements=sum(1 << bit for bit in set(bits)),
        iat_h=citizen_code.hour_of(now_ms(at_ms) // 1000),
        ttl_h=ttl_hours,
    )
    issuer = code_files.read(by, code_files.IssuerKeyFile)
    if device is None and not issuer.row.static_allowed:
        raise click.UsageError(
            say(
                "请用 --device 给出手机密钥；此签发者不得签发静态码（keygen --static）",
                "name the phone's key with --device: this issuer may not issue static codes (keygen --static)",
            )
        )
    phone = code_files.read(device, code_files.PhoneKeyFile).key().public if device is not None else None
    issued = citizen_code.issue(issuer.key(), grant, phone)
    text = Ec1(issued).text if phone is None else issued.encode().hex()
    facts = {"credential": text, "token": grant.token.hex(), "expires_s": issued.exp_s}
    click.echo(json.dumps(facts) if as_json else text)


@code.command(
    help=say(
        "出示：用手机密钥签名并打印码；也可画出已有的码。凭证可为 -（标准输入）",
        "Show a credential by the phone's key and print the code, or draw a code that exists; - reads standard input",
    )
)
@click.argument("credential", metavar=say("凭证或码", "CREDENTIAL|CODE"))
@click.option("--device", type=_FILE, help=say("手机密钥文件", "The phone's key file"))
@click.option(
    "--purpose",
    type=click.Choice(list(_PURPOSES)),
    default="any",
    show_default=True,
    help=say("出示用途", "What it is shown for"),
)
@click.option("--png", type=_FILE, help=say("写入 PNG 图片", "Write a PNG"))
@click.option("--svg", type=_FILE, help=say("写入 SVG 图片", "Write an SVG"))
@click.option("--terminal", is_flag=True, help=say("在终端中画出", "Draw it in this terminal"))
@at_option
@json_option
def show(
    credential: str,
    device: Path | None,
    purpose: str,
    png: Path | None,
    svg: Path | None,
    terminal: bool,
    at_ms: int | None,
    as_json: bool,
) -> None:
    """Sign a showing, and draw it."""
    text = _text(credential)
    if not text.startswith(ec1.PREFIX):
        if device is None:
            raise click.UsageError(say("请用 --device 给出手机密钥", "name the phone's key with --device"))
        key = code_files.read(device, code_files.PhoneKeyFile).key()
        issued = _issued(text)
        if key.public.encoded != issued.device_key:
            raise click.ClickException(
                say("这不是签发时的手机密钥", "the credential was issued to another phone's key")
            )
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = citizen_code.show(issued, key, now_ms(at_ms) // 1000, _PURPOSES[purpose], nonce).text
    facts: dict[str, object] = {"text": text, "characters": len(text)}
    if png or svg or terminal:
        from tools.cli import qr

        facts["symbol"] = qr.draw(text, png=png, svg=svg, terminal=terminal).designator
    click.echo(json.dumps(facts) if as_json else text)


@code.command(
    help=say(
        "按通道的方式验证，依据 --row 给出的签发者，或一台终端已安装的名单；被拒时退出码为 1。文字可为 -（标准输入）",
        "Judge a code as a lane does, by the issuers of --row or by the lists that a terminal holds; a refusal exits"
        " with 1; - reads standard input",
    )
)
@click.argument("text", metavar=say("文字", "TEXT"))
@_row_option(required=False)
@optional_state_dir_option
@click.option("--site", default="", help=say("终端所在场所", "The terminal's site"))
@click.option(
    "--purpose",
    type=click.Choice(list(_PURPOSES)[1:]),
    default="pass",
    show_default=True,
    help=say("通道用途", "What the lane is for"),
)
@click.option(
    "--lifetime-s",
    type=click.IntRange(5, MAX_LIFETIME_MS // 1000),
    default=60,
    show_default=True,
    help=say("出示后多少秒内有效", "Seconds for which a showing counts"),
)
@click.option("--static", is_flag=True, help=say("接受静态码", "Accept static codes"))
@click.option(
    "--revoked",
    type=_StatusIndex(),
    multiple=True,
    metavar=say("序号", "INDEX"),
    help=say(
        f"视为已吊销的状态序号，0 至 {_STATUS_ENTRIES - 1}（可多次，与 --row 同用）",
        f"A status index taken for revoked, 0 to {_STATUS_ENTRIES - 1} (may be repeated; with --row)",
    ),
)
@at_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    text: str,
    rows: tuple[Path, ...],
    state_dir: Path | None,
    site: str,
    purpose: str,
    lifetime_s: int,
    static: bool,
    revoked: tuple[int, ...],
    at_ms: int | None,
    as_json: bool,
) -> None:
    """Tell the verdict. Nobody remembers what was shown here, so that no code is replayed."""
    _check_judges(rows, state_dir, revoked)
    at = moment(at_ms)
    lists = _lists(rows, revoked, at.now_ms) if state_dir is None else installed_lists(existing(state_dir))
    policy = CodePolicy(
        lifetime_ms=lifetime_s * 1000, purposes=frozenset({Purpose.ANY, _PURPOSES[purpose]}), static=static
    )
    verifier = CodeVerifier(site)
    verdict = verifier.verdict(_text(text), policy, at, Marks(), lists)
    verdicts.tell(verdict, as_json=as_json)
    _hint(text, verdict)
    ctx.exit(1 if isinstance(verdict, Rejected) else 0)


@code.command(
    help=say(
        "展开为标准 CWT（RFC 8392），十六进制；不作验证。文字可为 -（标准输入）",
        "Expand into the standard CWT (RFC 8392), hexadecimal, without judging it; - reads standard input",
    )
)
@click.argument("text", metavar=say("文字", "TEXT"))
@_row_option(required=True)
@json_option
def expand(text: str, rows: tuple[Path, ...], as_json: bool) -> None:
    """Print what the two signatures cover, for any CWT and COSE library."""
    try:
        parsed = ec1.parse(_text(text))
    except Ec1Error as error:
        raise click.ClickException(say(error.reason.technician.zh, error.reason.technician.en)) from None
    row = _trust(rows, 0).row(parsed.issued.issuer, parsed.issued.kid)
    if row is None:
        raise click.ClickException(say("没有这个签发者的行", "no row given is of this code's issuer and kid"))
    token = cwt.expand(parsed, row).hex()
    facts: dict[str, object] = {"cwt": token}
    showing = cwt.expand_shown(parsed)
    if showing is not None:
        facts["showing"] = {"cose_sign1": showing.hex(), "external_aad": parsed.issued.encode().hex()}
    click.echo(json.dumps(facts) if as_json else token)


def _check_judges(rows: tuple[Path, ...], state_dir: Path | None, revoked: tuple[int, ...]) -> None:
    """Who is believed is said once: by rows, or by a terminal with its own deny lists."""
    if state_dir is None and not rows:
        raise click.UsageError(
            say(
                "请用 --row 给出签发者的行（onecard code keygen --row 写出），或用 --terminal、--preset、--config、"
                "--state-dir 指定一台终端",
                "name who is believed: an issuer's row with --row (`onecard code keygen --row` writes it), or a"
                " terminal with --terminal, --preset, --config or --state-dir",
            )
        )
    if state_dir is not None and rows:
        raise click.UsageError(say("--row 与终端的名单只能选一个", "give --row or a terminal's lists, not both"))
    if state_dir is not None and revoked:
        raise click.UsageError(
            say(
                "--revoked 与 --row 同用；终端有自己的吊销名单",
                "--revoked goes with --row: a terminal has deny lists of its own",
            )
        )


def _text(argument: str) -> str:
    """The argument, or one line from standard input: a shell may add the line's end, which is no part of a code."""
    return sys.stdin.readline(8192).rstrip("\n") if argument == _STDIN else argument


def _hint(argument: str, verdict: Presented | Rejected) -> None:
    """Whoever names a file here has its name judged as a code."""
    if argument != _STDIN and isinstance(verdict, Rejected) and verdict.reason is Reason.CODE_UNKNOWN:
        said = say(
            "判定的是参数本身的文字；码在文件里时，请用 - 和 < 文件",
            "what was judged is the argument's own text; for a code in a file, give - and < FILE",
        )
        click.echo(said, err=True)


def _issued(text: str) -> Issued:
    try:
        return ec1.decode_issued(bytes.fromhex(text))
    except ValueError:  # Ec1Error included
        raise click.ClickException(
            say("不是 onecard code issue 打印的凭证", "not a credential as onecard code issue prints it")
        ) from None


def _trust(rows: tuple[Path, ...], at_ms: int) -> TrustList:
    """A trust list of just these rows, in force at this moment."""
    read = [code_files.read(path, code_files.RowFile).row() for path in rows]
    names = {bit: f"bit-{bit}" for bit in range(32)}
    return TrustList(1, at_ms, at_ms + _DAY_MS, 0, {(row.issuer, row.kid): row for row in read}, names)


def _lists(rows: tuple[Path, ...], revoked: tuple[int, ...], at_ms: int) -> Lists:
    bits = bytearray(_STATUS_ENTRIES // 8)
    for index in revoked:
        bits[index >> 3] |= 1 << (index & 7)
    status = StatusList(bytes(bits), _STATUS_ENTRIES, Term(at_ms, at_ms + _DAY_MS, 0))
    trust = _trust(rows, at_ms)
    return Lists(trust=trust, status={issuer: status for issuer, _ in trust.rows})
