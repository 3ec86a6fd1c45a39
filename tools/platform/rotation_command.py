"""`onecard platform rotate`: another key for one of the platform's roles."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from agent.keys import Role
from profiles.reasons import counted
from tools.cli.asking import sure
from tools.cli.words import say, why_en, why_zh
from tools.owner import as_owner
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.command_options import directory_option, json_option
from tools.platform.errors import PlatformError
from tools.platform.rotation import ROLES, Rotated, rotate
from tools.platform.service import Layout

_ENDS = {
    Role.BUNDLE: (
        "旧密钥签发的数据包终端不再接受；由平台下发的已用新密钥重签",
        "what the former key signed is taken by no terminal; what the platform gives out is signed anew",
    ),
    Role.ACKNOWLEDGEMENT: (
        "终端收到密钥包之前会拒绝平台的回执；未用的注册码要重新显示：onecard platform enrol show",
        "a terminal refuses answers until it has the keys bundle; show unused codes again: onecard platform enrol show",
    ),
    Role.SEALING: (
        "以前密封的内容仍可由知道旧密钥的人读取；平台保留旧密钥以读取它们",
        "what was sealed before stays readable to who knows the former key; the platform keeps it, to read that",
    ),
    Role.COMMAND: ("尚未执行的命令作废，请重新下达", "commands that wait are refused: give them again"),
    Role.TECHNICIAN: (
        "所有技术人员许可作废，请重新签发：onecard platform technician permit",
        "every technician's permit ends: issue them again by onecard platform technician permit",
    ),
}


@click.command(
    name="rotate",
    help=say(
        "更换平台一种用途的密钥，例如密钥外泄时；根密钥须在平台目录中",
        "Change the platform's key of one role, as when somebody else knows it; its directory has to have the root key",
    ),
)
@click.argument("name", metavar=say("用途", "ROLE"), type=click.Choice([role.value for role in ROLES]))
@click.option("--yes", is_flag=True, help=say("不再询问", "Do not ask"))
@directory_option
@json_option
def rotation(name: str, yes: bool, directory: Path, as_json: bool) -> None:
    """Say what ends by it, ask, and do it; run again where it was cut short."""
    role = Role(name)
    if not yes:
        click.echo(say(*_ENDS[role]), err=True)
        sure(say(f"更换 {role} 密钥？", f"Change the key of {role}?"), err=True)
    done = _rotated(Layout(directory), role)
    if as_json:
        only = {"only_finished": True} if done.only_finished else {}
        click.echo(json.dumps({"role": role.value, "keys": done.version, "resigned": done.resigned, **only}))
        return
    click.echo(_only_finished(role) if done.only_finished else say(f"{role} 密钥已更换。", f"{role} has another key."))
    click.echo(
        say(
            f"密钥包第 {done.version} 版待下发，重签 {done.resigned} 个数据包。请重新启动 platform run 和各 worker。",
            f"Version {done.version} of the keys bundle is to be given out, {counted(done.resigned, 'bundle')} signed "
            "anew. Start `platform run` and its workers again.",
        )
    )


def _rotated(layout: Layout, role: Role) -> Rotated:
    try:
        with as_owner(layout.directory):  # who runs the platform reads and gives out what is made here
            return rotate(BundleStore(layout.bundles), Authority.at(layout.keys), role, time.time_ns() // 1_000_000)
    except OSError as error:
        where = error.filename or layout.directory
        zh = f"{where}：{why_zh(error)}。再运行一次同一命令，即接着做完。"
        en = f"{where}: {why_en(error)}. Then run the same again: it goes on where it was."
        raise PlatformError(say(zh, en)) from error


def _only_finished(role: Role) -> str:
    return say(
        f"之前中断的 {role} 密钥更换已完成。正在使用的是那次换上的密钥，这次没有更换；如果它也已外泄，请再运行一次。",
        f"A change of the {role} key that was cut short before is finished. The key in use is the one that it brought, "
        "and was not changed now: if somebody else knows that one too, run the same again.",
    )
