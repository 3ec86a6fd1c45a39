"""A preset and the reference platform of the same user on one machine: keys are handed over without enrolment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import click

from agent.composition import MEDIUM_KEY
from agent.config import Resolved
from agent.config_model import TerminalConfig
from agent.keys import FileKeyStore
from tools.cli.place import state_home
from tools.cli.words import say
from tools.platform.broker import DEFAULT_PORT, Endpoint
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.registration_of import registration_of
from tools.platform.registrations import Registration, allow, registration
from tools.platform.service import Layout
from tools.platform.store import Store

LOOK_S = 2.0
"""How often it is looked whether the platform came back at another port."""


def link_overrides() -> tuple[str, ...]:
    """The configuration's link to the platform's broker: where it ran last, or would by default."""
    try:
        return _where_it_ran_last()
    except FileNotFoundError:
        return _link(DEFAULT_PORT)


async def follow(begun: tuple[str, ...], again: Callable[[], None]) -> None:
    """Begin anew once the platform runs elsewhere than at the start: a link's brokers are read with that alone.

    Where it runs cannot be told while its directory is gone, or made anew, or another user's: then nothing is begun.
    """
    while True:
        await asyncio.sleep(LOOK_S)
        with suppress(OSError, PlatformError):
            if await asyncio.to_thread(_where_it_ran_last) != begun:
                break
    click.echo(
        say("本机的平台换了端口，终端重新启动。", "The platform of this machine is at another port: beginning anew."),
        err=True,
    )
    again()


def _where_it_ran_last() -> tuple[str, ...]:
    """Raises ``OSError`` and `PlatformError` where nobody can tell."""
    urls = Layout(state_home() / "platform").endpoint.read_text(encoding="utf-8")
    return _link(Endpoint.parse_all(urls.strip())[0].port)


def _link(port: int) -> tuple[str, ...]:
    return ("platform.host=localhost", f"platform.port={port}")


def register(resolved: Resolved) -> None:
    """Let the terminal ask the local platform for what its own configuration has it ask for, and nothing else."""
    wanted = registration_of(resolved)
    if wanted == Registration():
        return
    store = Store.open(Layout(state_home() / "platform").database_url)
    try:
        with store.transaction() as transaction:
            known = registration(transaction, resolved.config.terminal.id)
            joined = wanted if known is None else known.joined(wanted)
            if joined != known:
                allow(transaction, resolved.config.terminal.id, joined)
    finally:
        store.close()


def enrol(terminal: TerminalConfig) -> None:
    """Give the terminal keys of the local platform, once; say so where cards get other ids by it."""
    keys = terminal.state_dir / "keys"
    if (keys / "tls.pem").exists():
        return
    known = (keys / f"{MEDIUM_KEY}.key").exists()
    before = FileKeyStore(keys).mac(MEDIUM_KEY, b"") if known else None
    store = Authority.init(Layout(state_home() / "platform").keys).provision(terminal.id, keys)
    if before is not None and store.mac(MEDIUM_KEY, b"") != before:
        click.echo(
            say(
                "终端已在本地平台注册：卡片编号改用全市的密钥计算，此前记下的编号（holders、media）不再有效，请重新读卡。",
                "The terminal is enrolled at the local platform: cards get their ids by the city's key now. "
                "Those noted before (holders, media) hold no more: read the cards again.",
            ),
            err=True,
        )
