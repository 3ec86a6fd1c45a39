"""What ends with a ``keys`` bundle that names no key for a role: said and asked before it is signed."""

from __future__ import annotations

from collections.abc import Mapping

import click

from agent.bundles.roles import Rings
from agent.keys import Role
from agent.words import say
from tools.cli.asking import sure

_ENDS: Mapping[Role, tuple[str, str]] = {
    Role.BUNDLE: (
        "不再相信任何名单、价目、租约和平台下发的配置",
        "no list, price, lease or configuration of the platform is believed",
    ),
    Role.COMMAND: ("拒绝平台的一切指令", "every command of the platform is refused"),
    Role.ACKNOWLEDGEMENT: (
        "平台的回执和应答都不算数，日志只增不减",
        "no acknowledgement and no answer of the platform counts, and journals only grow",
    ),
    Role.TECHNICIAN: ("拒绝一切技术人员许可", "every technician's permit is refused"),
    Role.SEALING: (
        "证据无法密封，要记录证据的都拒绝",
        "evidence cannot be sealed, and whatever has to record it is refused",
    ),
}
"""Of what terminals get with their enrolment; none takes software by a key, and no bundle goes without a root."""


def agree(rings: Rings, *, yes: bool) -> None:
    """Warn of each role without a key, and ask. Raises ``Abort``."""
    dropped = [role for role in _ENDS if not rings[role]]
    if not dropped:
        return
    click.echo(
        say(
            "此密钥包替换终端的全部密钥，其中没有以下角色；终端安装后：",
            "This bundle replaces all keys of the platform at a terminal, and has none of these roles; from then on:",
        ),
        err=True,
    )
    for role in dropped:
        zh, en = _ENDS[role]
        click.echo(say(f"  {role.value}：{zh}", f"  {role.value}: {en}"), err=True)
    if not yes:
        sure(say("仍要签发吗？", "Sign it even so?"), err=True)
