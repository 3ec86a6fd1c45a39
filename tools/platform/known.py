"""Which terminals the platform knows, and which lanes they have, as far as it knows: for who mistypes one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from agent.bundles.errors import BundleError
from agent.bundles.manifest import Kind
from agent.config import profile_type
from agent.sync.contract import ContractError, State
from agent.yaml_file import YamlError, parse_yaml
from profiles.orders import Obeys
from tools import bundles
from tools.cli.words import say
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.store import Transaction, record_table, state_table, terminal_table

_SHOWN = 8
_LATEST_RECORDS = 1_000


@dataclass(frozen=True, slots=True)
class Lanes:
    """Lanes with their profiles, of configuration ``version``; where that is ``None``, only those that were in use."""

    profiles: Mapping[str, str]
    version: int | None = None

    def knows(self, lane: str) -> bool:
        """Whether there is surely such a lane."""
        return lane in self.profiles

    def check(self, terminal: str, lane: str) -> None:
        """Raises `PlatformError` for a lane that is surely not there, or has nothing to open."""
        if self.version is not None and lane not in self.profiles:
            names = _listed(self.profiles)
            raise PlatformError(
                say(
                    f"终端 {terminal} 没有通道 {lane}；它使用的配置 {self.version} 有：{names}。",
                    f"{terminal} has no lane {lane}: configuration {self.version}, by which it goes, has {names}.",
                )
            )
        kind = profile_type(self.profiles.get(lane, ""))
        if kind is not None and not issubclass(kind, Obeys):
            raise PlatformError(
                say(
                    f"终端 {terminal} 的通道 {lane}（{kind.name}）没有可以开放的门、闸或挡车器。",
                    f"Lane {lane} of {terminal} is a {kind.name}: it has no door, gate or barrier to open.",
                )
            )


def enrolled(keys: Path) -> list[str]:
    """Every terminal that was ever added, by the platform's directory of keys; nobody where that is elsewhere."""
    try:
        return Authority.at(keys).enrolled()
    except PlatformError:
        return []


def check_terminal(transaction: Transaction, terminal: str, enrolled: Collection[str]) -> None:
    """Raises `PlatformError` for a terminal that was never enrolled, and that the platform never heard of."""
    heard_of = terminal_table.c.terminal
    known = transaction.connection.execute(sa.select(heard_of).order_by(heard_of)).scalars().all()
    if terminal in known or terminal in enrolled:
        return
    names = _listed(sorted({*known, *enrolled}))
    raise PlatformError(
        say(
            f"平台不认识终端 {terminal}；已知的有：{names}。各终端的状态见 onecard platform status。",
            f"The platform knows no terminal {terminal}. It knows {names}: see `onecard platform status`.",
        )
    )


def lanes_of(transaction: Transaction, terminal: str, given: BundleStore) -> Lanes:
    """Those of the platform's configuration, if the terminal says that it goes by it; else those of its last records.

    A terminal that goes by its own file may have others besides.
    """
    body = sa.select(state_table.c.body).where(state_table.c.terminal == terminal)
    issue = _issue(transaction.connection.execute(body).scalar_one_or_none())
    for latest in given.latest() if issue else ():
        if (latest.name, latest.terminal, latest.version) == (Kind.CONFIGURATION.value, terminal, issue):
            try:
                return Lanes(_profiles(bundles.read_full(latest.forms[0].path).content), issue)
            except (BundleError, OSError, YamlError, ValueError):
                break
    return Lanes(_in_use(transaction, terminal))


def _issue(body: bytes | None) -> int:
    """Which of the platform's configurations the terminal goes by; 0: its own."""
    try:
        report = None if body is None else State.decode(body).report
    except ContractError:
        return 0
    return 0 if report is None or report.configured is None else report.configured.issue


def _profiles(content: bytes) -> dict[str, str]:
    """Raises ``YamlError`` and ``ValueError``."""
    document = parse_yaml(content.decode())
    lanes = document.get("lanes") if isinstance(document, dict) else None
    if not isinstance(lanes, dict):
        raise ValueError("no lanes")
    return {str(name): str(lane.get("profile")) for name, lane in lanes.items() if isinstance(lane, dict)}


def _in_use(transaction: Transaction, terminal: str) -> dict[str, str]:
    columns = record_table.c
    chain = sa.select(terminal_table.c.chain_id).where(terminal_table.c.terminal == terminal).scalar_subquery()
    head = sa.select(sa.func.max(columns.seq)).where(columns.chain_id == chain).scalar_subquery()
    query = sa.select(columns.lane, columns.profile).where(
        columns.chain_id == chain, columns.seq > head - _LATEST_RECORDS, columns.lane.is_not(None)
    )
    return {row.lane: row.profile or "" for row in transaction.connection.execute(query.distinct())}


def _listed(names: Collection[str]) -> str:
    """The first of them, or that there are none."""
    shown = [*sorted(names)[:_SHOWN], *(["…"] if len(names) > _SHOWN else [])]
    return say("、", ", ").join(shown) or say("（无）", "none")
