"""A secret of the platform's that is gone, though there are terminals or codes that were made by it."""

from __future__ import annotations

from pathlib import Path

import click

from tools.cli.words import say
from tools.platform.errors import PlatformError


def refuse_another_medium_key(lost: Path) -> None:
    """Under another, the next terminals would give every card another id than those before. Raises `PlatformError`."""
    raise PlatformError(
        say(
            f"缺少 {lost}：请从备份取回。另造一把，以后注册的终端就不认得名单和登记册中的卡。",
            f"{lost} is missing: bring it back from the copy of that directory. By another one, terminals that are"
            " enrolled from now on would know none of the cards on lists and registers.",
        )
    )


def tell_of_another_enrol_key(lost: Path) -> None:
    """Another one serves as well; codes that are on their way to a box have their secrets from the lost one."""
    click.echo(
        say(
            f"缺少 {lost}，已另造一把：此前发出而未用的注册码作废（用了会报 enrol-forged），请重新生成。",
            f"{lost} was missing, and is made anew: codes that were given out and not used count no more (a box that"
            " comes with one raises enrol-forged); make them again.",
        ),
        err=True,
    )
