"""``--replace`` and ``--again``, which mean the same wherever a terminal that is known already gets new keys.

``--replace``: another box in its place; the former certificates and chains end. ``--again``: new keys of the same box;
the former certificates end, and its chain goes on.
"""

from __future__ import annotations

import click

from tools.cli.words import say
from tools.platform.errors import PlatformError

again_option = click.option(
    "--again",
    is_flag=True,
    help=say("同一台设备换新密钥，旧证书随即失效", "New keys for the same box: the old ones end"),
)


def check_known(terminal: str, *, known: bool, replace: bool, again: bool) -> None:
    """A new terminal has a new id, and what follows another says so. Raises `PlatformError`."""
    if again and replace:
        raise click.UsageError(say("--again 与 --replace 只能选一个", "give --again or --replace, not both"))
    if not known and (again or replace):
        raise PlatformError(
            say(
                f"没有终端 {terminal}：去掉 --replace 或 --again。",
                f"There is no terminal {terminal} yet: leave out --replace and --again.",
            )
        )
    if known and not (again or replace):
        raise PlatformError(
            say(
                f"终端 {terminal} 已注册或添加过：换设备请加 --replace，同一台换密钥请加 --again，否则换一个编号。",
                f"Terminal {terminal} was enrolled or added already: add --replace for another box in its place,"
                " --again for new keys of the same box, or choose another id.",
            )
        )
