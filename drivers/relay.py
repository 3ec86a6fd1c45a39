"""Relay boards with digital inputs that speak Modbus-RTU: coils are the outputs, discrete inputs the inputs.

Choose the board's fastest baud rate: at 9600 one poll of the inputs takes some 20 ms, at 115200 some 4 ms, and a pulse
waits for the exchange that is under way.

A pulse ends by a second command, so a computer that dies within one leaves the coil on. Many boards have a flash-on
command that ends by itself (Waveshare's protocol V2, and boards compatible with it: ``flash_address: 0x200``): name it
wherever the board has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from drivers.api import DriverSettings, ReaderError, ReaderFault
from drivers.board import ADDRESS_MAX, Address, Board, BoardSettings
from drivers.serial_port import SerialPort

if TYPE_CHECKING:
    from drivers.modbus import ModbusClient

INPUT_SPAN_MAX = 256


class RelaySettings(BoardSettings):
    """One Modbus-RTU board. Addresses are the protocol's, counted from 0."""

    port: str
    baud: int = Field(default=9600, ge=1200, le=921_600)
    parity: Literal["N", "E", "O"] = "N"
    device_id: int = Field(default=1, ge=1, le=247)
    timeout_ms: int = Field(default=200, ge=10, le=1000, description="for one answer")
    retries: int = Field(default=1, ge=0, le=3)
    flash_address: Address | None = Field(
        default=None, description="the board ends pulses by itself: its flash-on command for output 0"
    )

    @model_validator(mode="after")
    def _flash_commands_have_addresses(self) -> Self:
        highest = max(self.outputs.values())
        if self.flash_address is not None and self.flash_address + highest > ADDRESS_MAX:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": f"flash_address 至多为 {ADDRESS_MAX - highest}，否则输出 {highest} 没有地址",
                    "en": f"flash_address is at most {ADDRESS_MAX - highest}, else output {highest} has no address",
                },
            )
        return self

    @model_validator(mode="after")
    def _inputs_fit_one_request(self) -> Self:
        addresses = [line.address for line in self.inputs.values()]
        if addresses and max(addresses) - min(addresses) >= INPUT_SPAN_MAX:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": f"输入地址之间的跨度须小于 {INPUT_SPAN_MAX}",
                    "en": f"input addresses must lie within {INPUT_SPAN_MAX} of each other",
                },
            )
        return self


class ModbusLink:
    """The wire of one Modbus-RTU board (:class:`drivers.board.BoardLink`)."""

    def __init__(self, settings: RelaySettings) -> None:
        addresses = [line.address for line in settings.inputs.values()] or [0]
        self._settings = settings
        self._first = min(addresses)
        self._count = max(addresses) - self._first + 1
        self._port = SerialPort(settings.port, settings.baud, settings.parity)
        self._client: ModbusClient | None = None

    def open(self) -> None:
        """Open the serial port."""
        from drivers.modbus import ModbusClient

        self._port.open()
        settings = self._settings
        self._client = ModbusClient(
            self._port, settings.baud, settings.device_id, settings.timeout_ms / 1000, settings.retries
        )

    def close(self) -> None:
        """Release the serial port."""
        self._port.close()
        self._client = None

    def switch(self, address: int, on: bool) -> int:
        """Write one coil."""
        return self._opened().write_coil(address, on)

    def pulse(self, address: int, pulse_ms: int) -> int:
        """Write one coil, or where the board has it, its flash-on command: then it switches off by itself."""
        if self._settings.flash_address is None:
            return self.switch(address, on=True)
        return self._opened().flash_coil(self._settings.flash_address + address, pulse_ms)

    def read_inputs(self) -> Mapping[int, bool]:
        """Read all configured inputs in one request."""
        states = self._opened().read_discrete_inputs(self._first, self._count)
        return {self._first + offset: state for offset, state in enumerate(states)}

    def _opened(self) -> ModbusClient:
        if self._client is None:
            raise ReaderError(ReaderFault.UNPLUGGED, f"{self._settings.port} is not open")
        return self._client


class ModbusRelay(Board):
    """A Modbus-RTU relay board with inputs. Driver ``relay``."""

    Settings: ClassVar[type[DriverSettings]] = RelaySettings

    def __init__(self, name: str, settings: RelaySettings) -> None:
        super().__init__(name, settings, ModbusLink(settings))
