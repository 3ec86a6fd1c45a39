"""What the service of commands is made of, at a running terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import zstandard

from agent.clock import RecordIds, SystemRandom
from agent.command_reasons import CommandReason
from agent.commands import CommandPorts, Commands
from agent.config import ConfigError, Resolved, profile_type
from agent.config_model import Config
from agent.lane_orders import LaneOrders
from agent.logs import log
from agent.memory import Memory
from agent.standing import Standing
from agent.sync.contract.commands import MAX_REPORT_BYTES
from agent.threads import in_thread
from agent.trusted_clock import TrustedClock
from agent.upward import Upward
from offline_store.outbox import Outbox
from offline_store.writer import JournalWriter
from profiles.orders import Obeys, OpenOnce


@dataclass(frozen=True)
class CommandParts:
    """The parts of the terminal that commands reach."""

    config: Config
    writer: JournalWriter
    memory: Memory
    clock: TrustedClock
    upward: Upward
    orders: LaneOrders
    reread: Callable[[], Resolved] | None
    """Reads the configuration as the next start would; ``None`` where nobody can."""
    again: Callable[[], None]
    standing: Callable[[], Standing]


def commands_of(parts: CommandParts) -> Commands:
    """The service; it hears what comes on the link from now on."""
    config, upward = parts.config, parts.upward
    ports = CommandPorts(
        writer=parts.writer,
        memory=parts.memory,
        clock=parts.clock,
        signed_at=parts.clock.signed_at,
        ids=RecordIds(parts.clock, SystemRandom()),
        keys=upward.command_keys,
        chain=lambda: in_thread(partial(_chain, config.terminal.state_dir), "chain"),
        orders=parts.orders,
        reread=partial(_reread, parts),
        again=parts.again,
        report=lambda: report_of(parts.standing()),
        tell=upward.tell_result,
        alarm=upward.send,
        recorded=upward.recorded,
    )
    commands = Commands(config.terminal.id, ports)
    upward.commanded = commands.heard
    return commands


def lane_orders(config: Config, offer: Callable[[str, OpenOnce], None]) -> LaneOrders:
    """To the lanes whose profiles obey."""
    opening = {name for name, lane in config.lanes.items() if _obeys(lane.profile)}
    return LaneOrders(opening, offer, config.lanes.keys() - opening)


def report_of(standing: Standing) -> bytes:
    """What a result carries: the figures are left out where they are too many."""
    packed = zstandard.ZstdCompressor().compress(standing.model_dump_json().encode())
    if len(packed) <= MAX_REPORT_BYTES:
        return packed
    few = standing.model_copy(update={"recorded": ()})
    return zstandard.ZstdCompressor().compress(few.model_dump_json().encode())[:MAX_REPORT_BYTES]


def _obeys(profile: str) -> bool:
    kind = profile_type(profile)
    return kind is not None and issubclass(kind, Obeys)


def _chain(state_dir: Path) -> bytes:
    with closing(Outbox.open(state_dir)) as outbox:
        return outbox.position().chain_id


async def _reread(parts: CommandParts) -> CommandReason:
    if parts.reread is None:
        return CommandReason.UNCHANGED
    try:
        read = await in_thread(parts.reread, "configuration")
    except ConfigError as error:
        log().error("configuration is not valid", detail=str(error.problems[0]))
        return CommandReason.CONFIGURATION_INVALID
    return CommandReason.UNCHANGED if read.config == parts.config else CommandReason.DONE
