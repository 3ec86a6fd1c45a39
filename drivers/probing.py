"""Asks a serial device what it is, in the protocols that we speak; only a port that nobody holds, and nothing moves.

A PN532 is asked for its firmware, a board for one input. Scanners and keypads answer nobody; they speak when used.
"""

from __future__ import annotations

from dataclasses import replace

from drivers.api import ReaderError, ReaderFault
from drivers.discovery import Found, Kind, Why
from drivers.modbus import ModbusClient
from drivers.pn532 import Pn532Reader, Pn532Settings
from drivers.serial_port import SerialPort

BAUDS = (9600, 115_200, 19_200, 38_400)
_ANSWER_S = 0.15
_NOT_OURS = (ReaderFault.BUSY, ReaderFault.DENIED, ReaderFault.NOT_FOUND)
_TALKERS = ("scanner", "keypad", "vehicles")


def probe(found: Found) -> Found:
    """The same device with the drivers that fit now. Others than serial ones are what they are listed as."""
    if found.kind is not Kind.SERIAL or found.why is Why.CONSOLE:
        return found
    try:
        if _is_pn532(found.address):
            return replace(found, drivers=("pn532",), why=Why.ANSWERED)
        baud = _board_at(found.address)
    except ReaderError as error:
        held = error.fault is ReaderFault.BUSY
        return replace(found, drivers=(), why=Why.HELD if held else Why.CLOSED)
    if baud is not None:
        return replace(found, label=f"Modbus-RTU, {baud} baud", drivers=("relay",), why=Why.ANSWERED)
    silent = tuple(name for name in _TALKERS if name in found.drivers)
    return replace(found, drivers=silent, why=found.why if found.why is Why.SCANNER_MAKER else Why.MUTE)


def _is_pn532(path: str) -> bool:
    """Raises :class:`ReaderError` for a port that cannot be used."""
    reader = Pn532Reader("probe", Pn532Settings(port=path))
    try:
        reader.open()
    except ReaderError as error:
        if error.fault in _NOT_OURS:
            raise
        return False
    finally:
        reader.close()
    return True


def _board_at(path: str) -> int | None:
    """At which rate a Modbus-RTU board with the usual number 1 answers; a refusal is an answer too."""
    for baud in BAUDS:
        port = SerialPort(path, baud)
        port.open()
        try:
            ModbusClient(port, baud, 1, _ANSWER_S, 0).read_discrete_inputs(0, 1)
        except ReaderError as error:
            if "refused" not in error.detail:
                continue
        finally:
            port.close()
        return baud
    return None
