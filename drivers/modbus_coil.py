"""Write Single Coil with any value: the standard's two, and the times of boards that end a pulse by themselves.

Modbus Application Protocol V1.1b3 §6.5 knows 0xFF00 (on) and 0x0000 (off). Waveshare's protocol V2, spoken by many
compatible boards, adds flash-on: address 0x0200 + output, the value a time in steps of 100 ms up to 0x7FFF. Request
and answer are the same bytes.
"""

from __future__ import annotations

import struct

from pymodbus.pdu import ModbusPDU

ON = 0xFF00
OFF = 0x0000
FLASH_STEP_MS = 100
FLASH_STEPS_MAX = 0x7FFF


class CoilWrite(ModbusPDU):
    """Function 5 as it stands on the wire: an address and 16 bits."""

    function_code = 5
    rtu_frame_size = 8

    def __init__(self, address: int = 0, value: int = OFF, dev_id: int = 0) -> None:
        super().__init__(dev_id=dev_id, address=address, count=1)
        self.value = value

    def encode(self) -> bytes:
        """Address and value, big-endian."""
        return struct.pack(">HH", self.address, self.value)

    def decode(self, data: bytes) -> None:
        """The same from the wire; ``struct.error`` if it is too short, which pymodbus takes for no frame."""
        self.address, self.value = struct.unpack(">HH", data[:4])


def flash_steps(pulse_ms: int) -> int:
    """How many steps cover a pulse: never shorter than it, one at least, at most what fits (some 54 minutes)."""
    return max(1, min(FLASH_STEPS_MAX, -(-pulse_ms // FLASH_STEP_MS)))
