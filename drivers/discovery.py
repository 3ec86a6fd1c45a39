"""What is plugged in: PC/SC readers, serial ports, cameras; and which driver fits each, by what the system says of it.

Nothing is opened but pcscd's list and a camera's capability page (``VIDIOC_QUERYCAP``), so devices at work are not
disturbed. :mod:`drivers.probing` asks serial devices themselves.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path

from serial.tools import list_ports

from drivers.api import ReaderError
from drivers.pcsc import reader_names

_QUERYCAP = 0x80685600  # <linux/videodev2.h>: _IOR('V', 0, struct v4l2_capability), 104 bytes
_QUERYCAP_BYTES = 104
_CAPTURE = 0x0000_0001 | 0x0000_1000  # V4L2_CAP_VIDEO_CAPTURE, …_MPLANE
_DEVICE_CAPS = 0x8000_0000
MOST = 64
SERIAL_DRIVERS = ("keypad", "pn532", "relay", "scale", "scanner", "vehicles")


class Kind(StrEnum):
    """How a device is reached."""

    PCSC = "pcsc"
    SERIAL = "serial"
    CAMERA = "camera"


class Why(Enum):
    """Why a driver fits: code, Chinese and English."""

    LISTED = ("listed", "读卡服务 pcscd 列出了它", "pcscd lists it")
    CAPTURES = ("captures", "它是视频采集设备（V4L2）", "it captures video (V4L2)")
    SCANNER_MAKER = ("scanner-maker", "USB 厂商只做扫码器", "its USB maker makes scanners")
    BRIDGE = ("bridge", "USB 转串口：要看接了什么，请用 probe", "a serial bridge: what is behind it, probe finds out")
    PORT = ("port", "串口：要看接了什么，请用 probe", "a serial port: what is behind it, probe finds out")
    ANSWERED = ("answered", "它以此协议应答", "it answered in this protocol")
    MUTE = ("mute", "没有应答：扫码器和键盘只在使用时发送", "it answers nobody: scanners and keypads speak when used")
    CONSOLE = ("console", "系统控制台，不要占用", "the system's console: leave it alone")
    HELD = ("held", "被其他程序占用，没有打扰它", "another program holds it, and was not disturbed")
    CLOSED = ("closed", "无法打开", "it cannot be opened")

    def __init__(self, code: str, zh: str, en: str) -> None:
        self.code = code
        self.zh = zh
        self.en = en


_NUMBERS = re.compile(r" [0-9A-F]{2} [0-9A-F]{2}$")
"""pcscd counts readers and slots in the order of plugging in: a pattern survives it where there is one of a model."""
_SCANNER_MAKERS = {0x0C2E, 0x1EAB, 0x05F9, 0x05E0, 0x0536}
"""Honeywell, Newland, Datalogic, Zebra (Symbol), Hand Held Products."""
_BRIDGES = {0x1A86, 0x10C4, 0x0403, 0x067B, 0x04D8}
"""WCH, Silicon Labs, FTDI, Prolific, Microchip."""


@dataclass(frozen=True, slots=True)
class Found:
    """One device. ``address`` is what a configuration names it by; ``drivers`` are those that fit, the best first."""

    kind: Kind
    address: str
    label: str
    drivers: tuple[str, ...]
    why: Why


def discover(ports: Iterable[str] = ()) -> list[Found]:
    """Everything, serial ports that are named beside those that the system lists; of a pcscd that is down nothing."""
    return [*pcsc_readers(), *serial_ports(ports), *cameras()][:MOST]


def pcsc_readers() -> list[Found]:
    """What pcscd lists; nothing where it does not run."""
    try:
        names = reader_names()
    except ReaderError:
        return []
    models = [_NUMBERS.sub("", name) for name in names]
    return [
        Found(
            Kind.PCSC, f"{model} *" if models.count(model) == 1 and model != name else name, name, ("pcsc",), Why.LISTED
        )
        for name, model in zip(names, models, strict=True)
    ]


def serial_ports(named: Iterable[str] = (), links: Path = Path("/dev/serial/by-id")) -> list[Found]:
    """Ports by their stable names (``by-id``) where they have one."""
    stable = {os.path.realpath(link): str(link) for link in _entries(links)}
    found = {}
    consoles = _line(Path("/sys/class/tty/console/active")).split()
    for port in list_ports.comports():
        address = stable.get(port.device, port.device)
        label = " ".join(filter(None, (port.manufacturer, port.product))) or port.device
        fits: tuple[tuple[str, ...], Why] = ((), Why.CONSOLE) if port.name in consoles else _fits(port.vid)
        found[address] = Found(Kind.SERIAL, address, label, *fits)
    for path in named:
        if Path(path).exists():
            found.setdefault(path, Found(Kind.SERIAL, path, path, SERIAL_DRIVERS, Why.PORT))
    return [found[address] for address in sorted(found)]


def _fits(vendor: int | None) -> tuple[tuple[str, ...], Why]:
    if vendor in _SCANNER_MAKERS:
        return ("scanner",), Why.SCANNER_MAKER
    return SERIAL_DRIVERS, Why.BRIDGE if vendor in _BRIDGES else Why.PORT


def cameras(devices: Path = Path("/dev"), sys: Path = Path("/sys/class/video4linux")) -> list[Found]:
    """V4L2 devices that capture; a camera's metadata and encoder nodes do not."""
    stable = {os.path.realpath(link): str(link) for link in _entries(devices / "v4l/by-id")}
    found = []
    for node in sorted(_entries(sys)):
        device = str(devices / node.name)
        if _captures(device):
            label = _line(node / "name") or node.name
            found.append(Found(Kind.CAMERA, stable.get(device, device), label, ("camera",), Why.CAPTURES))
    return found


def _captures(device: str) -> bool:
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        page = fcntl.ioctl(descriptor, _QUERYCAP, bytes(_QUERYCAP_BYTES))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    capabilities, of_node = struct.unpack_from("=II", page, 84)  # after driver, card, bus_info and version
    return bool((of_node if capabilities & _DEVICE_CAPS else capabilities) & _CAPTURE)


def _entries(directory: Path) -> Iterator[Path]:
    return iter(sorted(directory.iterdir())[:MOST]) if directory.is_dir() else iter(())


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:128]
    except OSError:
        return ""
