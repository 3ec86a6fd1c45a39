"""`onecard platform technician`: permits for those who serve terminals."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path

import click
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.keys import Role as KeyRole
from agent.permits.acts import Role
from agent.permits.text import point_of, write_permit
from agent.sync.contract.permits import Permit
from tools.bundles import signer_of
from tools.cli import code_files
from tools.cli.permit import facts_of
from tools.cli.words import say
from tools.platform.ca import Authority
from tools.platform.command_options import directory_option, json_option
from tools.platform.errors import PlatformError
from tools.platform.service import Layout
from tools.small_files import read_small

MAX_DAYS = 366
_DAY_MS = 86_400_000
_ID_BYTES = 16


@click.group(name="technician", help=say("技术人员：签发许可", "Technicians: issue their permits"))
def technician_group() -> None:
    """Hold the commands."""


@technician_group.command(
    help=say(
        "为一名技术人员的设备签发许可，写入文件。持有人用工号，不用姓名；同一人始终用同一工号",
        "Issue a permit for one technician's device, into FILE. HOLDER is a staff number and no name, the same in every"
        " permit of that person",
    )
)
@click.argument("holder", metavar=say("工号", "HOLDER"))
@click.argument("file", metavar=say("文件", "FILE"), type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--device",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=say("设备公钥（onecard trust keygen 的 .pub）", "The device's public key, the .pub of `onecard trust keygen`"),
)
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    required=True,
    help=say("角色（可多次）", "A role (repeatable)"),
)
@click.option(
    "--terminal", "terminals", multiple=True, help=say("适用的终端（可多次）", "For this terminal (repeatable)")
)
@click.option(
    "--site",
    "sites",
    multiple=True,
    help=say(
        "适用于配置中 terminal.site 为此场所的终端（可多次）；没有场所的终端用 --terminal",
        "For terminals of this site, as their configuration has it (repeatable); those without one need --terminal",
    ),
)
@click.option(
    "--days",
    type=click.IntRange(1, MAX_DAYS),
    default=30,
    show_default=True,
    help=say("有效天数", "How long it is good"),
)
@directory_option
@json_option
def permit(
    holder: str,
    file: Path,
    device: Path,
    roles: tuple[str, ...],
    terminals: tuple[str, ...],
    sites: tuple[str, ...],
    days: int,
    directory: Path,
    as_json: bool,
) -> None:
    """Sign it with the platform's key for technicians."""
    if not terminals and not sites:
        raise click.UsageError(
            say("用 --terminal 或 --site 说明适用于何处", "say where it counts: --terminal or --site")
        )
    authority = Authority.at(Layout(directory).keys)
    now_ms = time.time_ns() // 1_000_000
    try:
        said = Permit(
            id=secrets.token_bytes(_ID_BYTES),
            holder=holder,
            roles=tuple(dict.fromkeys(roles)),
            device=_device(device),
            from_ms=now_ms,
            until_ms=now_ms + days * _DAY_MS,
            terminals=terminals or None,
            sites=sites or None,
        )
    except ValueError as error:
        raise PlatformError(
            say(
                "工号、终端和场所由 1 至 32 个小写字母、数字和连字符组成，至多各 16 个。",
                "Holder, terminals and sites are 1 to 32 of a-z, 0-9 and -, at most 16 of each.",
            )
        ) from error
    text = write_permit(said, signer_of(authority.role_keys[KeyRole.TECHNICIAN][0]))
    code_files.write_bytes(file, text.encode() + b"\n")
    facts = {"file": str(file), **facts_of(said)}
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
    else:
        click.echo(say(f"许可 {facts['id']} 已写入 {file}", f"permit {facts['id']} is in {file}"))


def _device(file: Path) -> bytes:
    """The compressed point of a PEM public key. Raises `PlatformError`."""
    try:
        public = serialization.load_pem_public_key(read_small(file))
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise PlatformError(say(f"{file} 不是 P-256 公钥（PEM）。", f"{file} is no P-256 public key in PEM."))
    return point_of(public)
