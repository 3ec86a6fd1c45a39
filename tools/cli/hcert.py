"""``onecard hcert``: judge a health certificate as a lane does."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import click

from agent.credentials import hcert as hcert_codes
from agent.credentials.hcert_keys import SignerInvalid, SignerKey, SignerList, keyring, load_signers
from agent.credentials.trust import Term
from agent.words import say, why_en, why_zh
from profiles.api import Rejected
from profiles.rules.codes import CodePolicy
from profiles.rules.health import HealthRules
from tools.cli import verdicts
from tools.cli.installed_lists import installed_lists
from tools.cli.place import existing, optional_state_dir_option
from tools.cli.times import at_option, moment

_MAX_CERTIFICATES_BYTES = 8 << 20
_MAX_LINE_CHARS = 8192


@click.group(help=say("验证健康证明（HCERT）", "Verify health certificates (HCERT)"))
def hcert() -> None:
    """Hold the certificate's commands."""


@hcert.command(
    help=say(
        "离线验证一份健康证明，依据 --cert 给出的签名者证书，或一台终端已安装的签发者列表；被拒时退出码为 1。"
        "文字可为 -（标准输入）",
        "Verify a certificate offline, by the signers' certificates of --cert or by the list that a terminal holds;"
        " a refusal exits with 1; - reads standard input",
    )
)
@click.argument("text", metavar=say("文字", "TEXT"))
@click.option(
    "--cert",
    "certificates",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help=say("签名者证书，PEM 或 DER（可多次）", "Signers' certificates, PEM or DER (may be repeated)"),
)
@optional_state_dir_option
@at_option
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
@click.pass_context
def verify(
    ctx: click.Context,
    text: str,
    certificates: tuple[Path, ...],
    state_dir: Path | None,
    at_ms: int | None,
    as_json: bool,
) -> None:
    """Tell the verdict. Its medium is of this command alone: a terminal has a medium key of its own."""
    if (state_dir is None) is not bool(certificates):
        raise click.UsageError(
            say(
                "请用 --cert 给出签名者证书，或用 --terminal、--preset、--config、--state-dir 指定终端：二者取一",
                "give the signers' certificates with --cert, or a terminal with --terminal, --preset, --config or"
                " --state-dir: one of the two",
            )
        )
    if text == "-":
        text = sys.stdin.readline(_MAX_LINE_CHARS).rstrip("\n")
    at = moment(at_ms)
    if state_dir is None:
        signers = keyring(key for path in certificates for key in _signers(path))
        listed: SignerList | None = SignerList(Term(at.now_ms, at.now_ms + 1, 0), signers)
    else:
        listed = installed_lists(existing(state_dir)).signers
    policy = CodePolicy(health=HealthRules())
    verdict = hcert_codes.verdict(text, listed, policy, at, lambda data: hashlib.sha256(data).digest())
    verdicts.tell(verdict, as_json=as_json)
    ctx.exit(1 if isinstance(verdict, Rejected) else 0)


def _signers(path: Path) -> tuple[SignerKey, ...]:
    try:
        with path.open("rb") as file:
            return load_signers(file.read(_MAX_CERTIFICATES_BYTES))
    except OSError as error:
        raise click.ClickException(
            say(f"{path}：无法读取（{why_zh(error)}）", f"{path}: cannot be read ({why_en(error)})")
        ) from error
    except SignerInvalid as error:
        raise click.ClickException(say(f"{path}：{error.zh}", f"{path}: {error.en}")) from error
