"""Clicks one output of a board for a technician who stands beside it, once the journal has it that he did."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import TimeoutError as NotInTime
from contextlib import closing
from typing import Any, cast

from agent.clock import RecordIds, SystemRandom
from agent.composition import MIB
from agent.kernel_time import boot_id
from agent.records import SERVICE, ServiceReason
from drivers.api import ReaderError
from drivers.board import Board, BoardSettings
from drivers.registry import driver
from offline_store.database import DATABASE_NAME
from offline_store.errors import StoreError
from offline_store.journal import Append, Journal
from offline_store.record import Entry
from profiles.reasons import Sentence
from tools.doctor.devices import REMEDIES, driver_bug
from tools.doctor.finding import Finding, fail, ok, unknown
from tools.doctor.patient import Patient

PULSE_MS = 300
_CONFIRMED_S = 3.0
_FIRST = Sentence("先处理磁盘和日志各行", "first mend what the lines about disk and journal say")


def outputs(patient: Patient) -> Iterator[tuple[str, str]]:
    """Every board that a lane uses, and its outputs."""
    for name, settings in patient.used_devices.items():
        if isinstance(settings, BoardSettings):
            yield from ((name, output) for output in settings.outputs)


def press(patient: Patient, board: str, output: str) -> Finding:
    """One pulse. Never beside an agent, which holds the board; and nothing moves that the journal does not know of."""
    about = f"{board}.{output}"
    if patient.runs:
        said = ("终端占用着继电器板；停止终端后可测试", "the agent holds the board: stop it to try its outputs")
        return unknown("relay", *said, about)
    if not (patient.state_dir / DATABASE_NAME).is_file():
        said = (
            "还没有日志，不能记录此操作；先运行一次终端",
            "there is no journal to record it in: run the agent once before",
        )
        return unknown("relay", *said, about)
    try:
        _record(patient, board, output)
    except StoreError as error:
        return fail("relay", "not-recorded", Sentence(error.zh, error.en), _FIRST, about)
    try:
        return _pulsed(patient, board, output, about)
    except Exception as error:  # noqa: BLE001 -- as the supervisor of devices: a driver's bug is a finding
        return driver_bug("relay", about, error)


def _pulsed(patient: Patient, board: str, output: str, about: str) -> Finding:
    kind = cast("Any", driver(patient.config.devices[board].driver))
    device: Board = kind(board, patient.resolved.devices[board])
    try:
        device.open()
        device.pulse(output, PULSE_MS).result(_CONFIRMED_S)
    except ReaderError as error:
        said_of_it = Sentence(f"{error.fault.zh}（{error.detail}）", f"{error.fault.en} ({error.detail})")
        return fail("relay", error.fault.code, said_of_it, REMEDIES[error.fault], about)
    except NotInTime:
        silent = Sentence("继电器板没有确认", "the board did not confirm")
        return fail("relay", "not-confirmed", silent, Sentence("检查接线和供电", "check its wiring and power"), about)
    finally:
        device.close()
    return ok(
        "relay", f"已接通 {PULSE_MS} 毫秒，继电器板已确认", f"was on for {PULSE_MS} ms, the board confirmed it", about
    )


def _record(patient: Patient, board: str, output: str) -> None:
    """Raises ``StoreError``, also where an agent started meanwhile."""
    clock, random = patient.clock, SystemRandom()
    limit_bytes = patient.config.journal.size_limit_mb * MIB
    with closing(
        Journal.open(patient.state_dir, boot_id(), clock=clock, random=random, size_limit_bytes=limit_bytes)
    ) as journal:
        entry = Entry(
            id=RecordIds(clock, random).new(),
            kind=SERVICE,
            reason=ServiceReason.OUTPUT_TESTED.code,
            time_ms=clock.now_ms(),
            time_quality=clock.state().value,
            monotonic_ms=clock.monotonic_ms(),
            public={"device": board, "output": output},
        )
        journal.append([Append((entry,))])
