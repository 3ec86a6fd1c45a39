"""`onecard platform lease`: which terminals take money only as long as the platform wants them to."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from profiles.reasons import counted
from tools.cli.times import local
from tools.cli.words import say
from tools.platform import leases
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.command_options import directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.service import Layout

DAY_MS = 86_400_000


@click.group(name="lease", help=say("收款租约：到期不续，终端就停止收款", "Leases: without one that holds, no money"))
def lease_group() -> None:
    """Hold the commands about leases."""


@lease_group.command(name="grant", help=say("给终端租约，过半时自动续约", "Give a terminal a lease; renewed half-way"))
@click.argument("terminal", metavar="ID")
@click.option(
    "--days",
    type=click.IntRange(1, 400),
    default=14,
    show_default=True,
    help=say("离线多少天后停止收款", "Days without the platform after which it stops"),
)
@directory_option
def grant_lease(terminal: str, days: int, directory: Path) -> None:
    """From now on the terminal takes money only with a lease."""
    layout = Layout(directory)
    authority = Authority.at(layout.keys)
    if terminal not in authority.enrolled():
        raise PlatformError(say(f"没有终端 {terminal}。", f"There is no terminal {terminal}."))
    leases.grant(BundleStore(layout.bundles), authority, terminal, time.time_ns() // 1_000_000, days * DAY_MS)
    click.echo(
        say(
            f"{terminal} 可收款 {days} 天，自动续约",
            f"{terminal}: {counted(days, 'day')}, renewed by the running platform",
        )
    )


@lease_group.command(name="end", help=say("不再续约，如终端被盗", "Renew it no more, as of a stolen terminal"))
@click.argument("terminal", metavar="ID")
@directory_option
def end_lease(terminal: str, directory: Path) -> None:
    """What the terminal has holds until its end."""
    ends_ms = leases.end(BundleStore(Layout(directory).bundles), terminal)
    if ends_ms is None:
        raise PlatformError(say(f"终端 {terminal} 没有租约。", f"The terminal {terminal} has no lease."))
    click.echo(
        say(f"{terminal} 最迟于 {local(ends_ms)} 停止收款", f"{terminal} takes no money from {local(ends_ms)} on")
    )


@lease_group.command(name="list", help=say("列出租约", "List the leases"))
@directory_option
@json_option
def list_leases(directory: Path, as_json: bool) -> None:
    """By terminal."""
    found = sorted(leases.leases(BundleStore(Layout(directory).bundles)).items())
    if as_json:
        click.echo(json.dumps([{"terminal": terminal, "ends_ms": leases.ends_ms(each)} for terminal, each in found]))
        return
    print_table(
        [say("终端", "terminal"), say("到期", "ends")],
        [[terminal, local(leases.ends_ms(each))] for terminal, each in found],
        say("没有终端受租约约束。", "No terminal needs a lease."),
    )
