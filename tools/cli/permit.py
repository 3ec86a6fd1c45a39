"""``onecard permit``: what a technician does with a permit on a device of their own."""

from __future__ import annotations

import json
from pathlib import Path

import click

from agent.permits.acts import NEEDS, ServiceAct
from agent.permits.text import PERMIT_PREFIX, PermitRefused, challenge_of, point_of, read_permit, write_act
from agent.sync.contract.permits import Permit
from agent.words import say
from tools.bundles import signer_of
from tools.cli import qr
from tools.cli.permit_words import ACTS, ROLES
from tools.cli.permits import refuse
from tools.cli.times import iso, local_of
from tools.small_files import read_small

_PERMIT = click.argument(
    "file", metavar=say("许可文件", "PERMIT"), type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@click.group(help=say("技术人员的许可：查看，为一项操作签名", "A technician's permit: read it, sign an act under it"))
def permit() -> None:
    """Hold the commands."""


@permit.command(help=say("显示许可的内容（不验证签名）", "Say what a permit says; its signature is not verified"))
@_PERMIT
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
def show(file: Path, as_json: bool) -> None:
    """Print what the file says."""
    facts = facts_of(_read(file))
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for (zh, en), (name, value) in zip(_TITLES, facts.items(), strict=True):
        told = _told(name, value)
        click.echo(say(f"{zh}：{told or '-'}", f"{en}: {told or '-'}"))


@permit.command(
    help=say(
        "为一台终端上的一项操作签名，应答它显示的口令；只打印签名",
        "Sign one act at one terminal, in answer to the challenge that it shows; prints what it wants",
    )
)
@_PERMIT
@click.option(
    "--key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=say("设备私钥（onecard trust keygen）", "The device's private key, as `onecard trust keygen` makes it"),
)
@click.option("--terminal", required=True, help=say("终端编号", "The terminal's id"))
@click.option(
    "--act", required=True, type=click.Choice([act.code for act in NEEDS]), help=say("哪项操作", "What is to be done")
)
@click.option("--challenge", required=True, help=say("终端显示的口令", "The challenge that it shows"))
@click.option("--qr", "in_terminal", is_flag=True, help=say("在终端里显示二维码", "Show it as a QR symbol here"))
def sign(file: Path, key: Path, terminal: str, act: str, challenge: str, in_terminal: bool) -> None:
    """Refuse here what every terminal would refuse."""
    said, device = _read(file), signer_of(key)
    if said.device != point_of(device.key.public_key()):
        raise click.ClickException(say("许可属于另一台设备", "the permit is another device's"))
    try:
        text = write_act(_text(file), terminal, act, _challenge(challenge), device)
    except PermitRefused as error:
        raise refuse(error.reason) from error
    click.echo(text)
    qr.draw(text, png=None, svg=None, terminal=in_terminal)


_TITLES = (
    ("许可编号", "permit"),
    ("持有人", "holder"),
    ("角色", "roles"),
    ("可做的操作", "may do"),
    ("终端", "terminals"),
    ("场所", "sites"),
    ("生效", "from"),
    ("到期", "until"),
)


def _told(name: str, value: str | list[str]) -> str:
    """For people; of an act also the code, which a device signs."""
    words = {role.value: say(*said) for role, said in ROLES.items()}
    words |= {act.code: say(f"{zh}（{act.code}）", f"{en} ({act.code})") for act, (zh, en) in ACTS.items()}
    if isinstance(value, str):
        return local_of(value) if name in {"from", "until"} else value
    return say("，", ", ").join(words.get(each, each) if name in {"roles", "acts"} else each for each in value)


def facts_of(said: Permit) -> dict[str, str | list[str]]:
    """What a permit says, in the order of the titles."""
    return {
        "id": said.id.hex(),
        "holder": said.holder,
        "roles": list(said.roles),
        "acts": [act.code for act in ServiceAct if NEEDS[act].role.value in said.roles],
        "terminals": list(said.terminals or ()),
        "sites": list(said.sites or ()),
        "from": iso(said.from_ms),
        "until": iso(said.until_ms),
    }


def _read(file: Path) -> Permit:
    try:
        return read_permit(_text(file))
    except PermitRefused as error:  # of one reason only: nobody's signature is looked at here
        raise click.ClickException(
            say(
                f"{file} 不是许可；应为平台签发的文件，内容以 {PERMIT_PREFIX} 开头",
                f"{file} is no permit, as the platform issues it; such a file begins with {PERMIT_PREFIX}",
            )
        ) from error


def _challenge(typed: str) -> bytes:
    try:
        return challenge_of(typed)
    except PermitRefused as error:
        raise click.BadParameter(
            say("应为终端显示的 8 个字符", "should be the 8 characters that the terminal shows"),
            param_hint="'--challenge'",
        ) from error


def _text(file: Path) -> str:
    return read_small(file).decode("ascii", errors="replace")
