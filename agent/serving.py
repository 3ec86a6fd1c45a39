"""What the socket for technicians' acts is made of, at a running terminal."""

from __future__ import annotations

from collections.abc import Callable

from agent.bundles.check import Place
from agent.bundles.service import Bundles
from agent.clock import RecordIds, SystemRandom
from agent.composition import Composition, keys_dir
from agent.keys import Role
from agent.lane_orders import LaneOrders
from agent.memory import Memory
from agent.permits.socket import ServicePorts, ServiceSocket
from agent.trusted_clock import TrustedClock
from offline_store.writer import JournalWriter


def service_socket(
    parts: Composition,
    clock: TrustedClock,
    writer: JournalWriter,
    memory: Memory,
    bundles: Bundles,
    orders: LaneOrders,
    recorded: Callable[[int], None],
) -> ServiceSocket:
    """By the keys and lists of the bundles in force."""
    terminal, random = parts.config.terminal, SystemRandom()

    def is_revoked(permit: bytes) -> bool:
        return parts.lists.current().emergency.holds(permit)

    ports = ServicePorts(
        writer=writer,
        memory=memory,
        marks=parts.marks,
        clock=clock,
        signed_ms=lambda: clock.known.signed_ms,
        ids=RecordIds(clock, random),
        random=random,
        place=Place(terminal.id, terminal.site),
        keys=keys_dir(terminal.state_dir),
        issuers=lambda: bundles.keys().get(Role.TECHNICIAN, {}),
        is_revoked=is_revoked,
        orders=orders,
        recorded=recorded,
    )
    return ServiceSocket(terminal.state_dir, ports)
