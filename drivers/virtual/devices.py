"""What stands on the bench: virtual readers, board, scanner, keypad, library, and what can be done with them."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from drivers.api import Interface
from drivers.virtual.api import CardSlot, Use
from drivers.virtual.bench import (
    CAMERA_FILE,
    LIBRARY_FILE,
    SOCKET_NAME,
    USUAL_DEVICES,
    Answer,
    BenchState,
    Change,
    Command,
    Hold,
    Insert,
    Library,
    LibraryMove,
    LibraryState,
    Plug,
    Press,
    Relay,
    RelayState,
    Remove,
    Scan,
    Shown,
    Status,
    Trouble,
    Weigh,
)
from drivers.virtual.cards.behaviour import Behaviour
from drivers.virtual.cards.cardfile import CardFileError, load_card_file, read_card_file
from drivers.virtual.keypad import VirtualKeypad
from drivers.virtual.pcscd import VirtualPcscd
from drivers.virtual.pn532 import VirtualPn532
from drivers.virtual.relay import VirtualRelay
from drivers.virtual.scale import VirtualScale
from drivers.virtual.scanner import VirtualScanner

if TYPE_CHECKING:
    from drivers.virtual.camera import VirtualCamera
    from drivers.virtual.library import VirtualLibrary

PCSCD, PN532 = "pcscd", "pn532"
OUTPUTS = {"gate": 0}
INPUTS = {"passage": 0, "fire": 1, "fire-reset": 2}
HISTORY_SHOWN = 1000
SLIPS_AND_SCREENS = "*.txt"
"""Files that the drivers of printers and screens write where there is no such device (``${virtual}/paper.txt``)."""
READ_S = 5.0
"""A contact that changes is done when the terminal has read it: one that stalls misses no short press."""


@dataclass(frozen=True)
class BenchPlan:
    """What a bench consists of."""

    directory: Path
    devices: tuple[str, ...] = USUAL_DEVICES
    readers: int = 2
    outputs: dict[str, int] = field(default_factory=lambda: dict(OUTPUTS))
    inputs: dict[str, int] = field(default_factory=lambda: dict(INPUTS))
    device_id: int = 1
    camera_fps: int = 30
    state_dir: str = ""


class _Pluggable(Protocol):
    @property
    def use(self) -> Use: ...

    def plug(self) -> None: ...

    def unplug(self) -> None: ...


class _Daemon:
    """pcscd as something to unplug: readers gone, service gone."""

    def __init__(self, pcscd: VirtualPcscd) -> None:
        self._pcscd = pcscd
        self.plug = pcscd.start
        self.unplug = pcscd.stop

    @property
    def use(self) -> Use:
        return self._pcscd.use


class _Sentence(NamedTuple):
    zh: str
    en: str


class _Refused(Exception):
    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.answer = Answer.refusal(zh, en)


class Bench:
    """All devices of a plan. Readers are called ``pcsc-0``, ``pcsc-1`` … (or by their PC/SC names) and ``pn532``."""

    def __init__(self, plan: BenchPlan) -> None:
        self._directory = plan.directory.resolve()
        self._state_dir = plan.state_dir
        self._pluggables: dict[str, _Pluggable] = {}
        self._slots: dict[str, CardSlot] = {}
        self._filled: set[str] = set()
        self._names: dict[str, str] = {}
        self._ports: dict[str, Path] = {}
        self._pcscd: VirtualPcscd | None = None
        self._relay: VirtualRelay | None = None
        self._scanners: dict[str, VirtualScanner] = {}
        self._keypads: dict[str, VirtualKeypad] = {}
        self._scale: VirtualScale | None = None
        self._camera: VirtualCamera | None = None
        self._library: VirtualLibrary | None = None
        self._plugging = asyncio.Lock()
        self._stack = ExitStack()
        for device in plan.devices:
            self._build(device, plan)

    def _build(self, device: str, plan: BenchPlan) -> None:
        path = self._directory / device
        match device:
            case "pcscd":
                path.mkdir(exist_ok=True)
                self._pcscd = VirtualPcscd(path, plan.readers)
                self._pluggables[device] = _Daemon(self._pcscd)
                for number, (name, slot) in enumerate(zip(self._pcscd.reader_names, self._pcscd.slots, strict=True)):
                    self._slots[f"pcsc-{number}"] = slot
                    self._names[f"pcsc-{number}"] = name
                return
            case "pn532":
                reader = VirtualPn532(path)
                self._slots[device] = self._pluggables[device] = reader
                self._names[device] = str(path)
            case "relay":
                self._relay = VirtualRelay(path, plan.outputs, plan.inputs, device_id=plan.device_id)
                self._pluggables[device] = self._relay
            case "scanner" | "scanner-2":
                scanner = self._scanners[device] = VirtualScanner(path)
                self._pluggables[device] = scanner.port
            case "keypad" | "keypad-2":
                keypad = self._keypads[device] = VirtualKeypad(path)
                self._pluggables[device] = keypad.port
            case "scale":
                self._scale = self._pluggables[device] = VirtualScale(path)
            case "camera":
                from drivers.virtual.camera import VirtualCamera

                path = self._directory / CAMERA_FILE
                self._camera = self._pluggables[device] = VirtualCamera(path, fps=plan.camera_fps)
            case "library":
                from drivers.virtual.library import VirtualLibrary

                path = self._directory / LIBRARY_FILE
                self._library = self._pluggables[device] = VirtualLibrary(path)
            case _:
                raise ValueError(f"no such virtual device: {device}")
        self._ports[device] = path

    def start(self) -> None:
        """Plug everything in. Raises ``VirtualReadersUnavailable`` and ``OSError``; then nothing is left running."""
        with ExitStack() as stack:
            for device in self._pluggables.values():
                stack.callback(device.unplug)
                device.plug()
            for slot in self._slots.values():
                stack.callback(slot.remove)
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """Take out every card, unplug everything, and leave nothing in the directory."""
        self._stack.close()
        shutil.rmtree(self._directory / PCSCD, ignore_errors=True)
        for written in self._directory.glob(SLIPS_AND_SCREENS):
            written.unlink(missing_ok=True)

    @property
    def state(self) -> BenchState:
        """What is there and where."""
        return BenchState(
            directory=self._directory,
            socket=self._directory / SOCKET_NAME,
            environment=self._pcscd.environment if self._pcscd else {},
            readers=self._names,
            ports=self._ports,
            state_dir=self._state_dir,
        )

    async def carry_out(self, command: Command) -> Answer:
        """Do it, and say what became of it. ``Stop`` is the server's affair and only confirmed here."""
        try:
            match command:
                case Insert():
                    self._insert(command)
                case Remove():
                    self._remove(command.reader)
                case Scan():
                    self._scan(command)
                case Hold():
                    await asyncio.to_thread(self._hold, command)
                case Trouble():
                    self._filming().trouble = command.trouble
                case Shown():
                    return Answer(ok=True, shown=tuple(self._filming().shown))
                case Press():
                    await self._press(command)
                case Weigh(grams=grams):
                    if self._scale is None:
                        raise _missing("scale")
                    self._must_be_heard("scale")
                    self._scale.put(grams)
                case Plug():
                    await self._plug(command)
                case Relay():
                    return Answer(ok=True, relay=self._relay_state())
                case Library():
                    return Answer(ok=True, library=self._library_state())
                case Status():
                    return Answer(ok=True, state=self.state)
        except _Refused as refused:
            return refused.answer
        return Answer(ok=True)

    def _insert(self, command: Insert) -> None:
        behaviour = Behaviour(
            tear_after=command.tear_after,
            slow_ms=command.slow_ms,
            garbage_seed=command.garbage,
        )
        asked = behaviour != Behaviour()
        try:
            card = read_card_file(command.card)
            reader = self._reader(command.reader or self._usual_reader(card.interface))
            program = load_card_file(
                command.card,
                interface=Interface.CONTACTLESS if reader == "pn532" else None,
                behaviour=behaviour if asked else None,
            )
        except CardFileError as error:
            raise _Refused(f"卡片文件无法使用：{error.zh}", f"the card file cannot be used: {error.en}") from error
        self._slots[reader].insert(program)
        self._filled.add(reader)
        if (hindrance := self._hindrance(self._device_of(reader))) is not None:
            raise _Refused(f"卡已放入 {reader}，但{hindrance.zh}", f"the card is in {reader}, but {hindrance.en}")

    @staticmethod
    def _device_of(reader: str) -> str:
        return PN532 if reader == PN532 else PCSCD

    def _remove(self, reader: str | None) -> None:
        readers = self._filled if reader is None else self._filled & {self._reader(reader)}
        if not readers:
            raise _Refused("那里没有卡", "there is no card")
        for each in readers:
            self._slots[each].remove()
        self._filled -= readers

    def _usual_reader(self, interface: Interface) -> str:
        """Where such a card goes; where no terminal uses that one, the first that some terminal uses."""
        order = list(self._slots) if interface is Interface.CONTACT else list(reversed(self._slots))
        if not order:
            raise _Refused("没有虚拟读卡器", "there is no virtual card reader")
        devices = {self._device_of(reader) for reader in order}
        now = {
            device: self._pluggables[device].use for device in devices
        }  # asked once: it may change between two looks
        use = {reader: now[self._device_of(reader)] for reader in order}
        used = [reader for reader in self._slots if use[reader] is Use.IN_USE]
        return used[0] if used and use[order[0]] is Use.IDLE else order[0]

    def _reader(self, name: str) -> str:
        """A reader's name here, from that or from its PC/SC name."""
        by_pcsc_name = {pcsc_name: reader for reader, pcsc_name in self._names.items()}
        reader = by_pcsc_name.get(name, name)
        if reader not in self._slots:
            known = ", ".join(self._slots) or "-"
            raise _Refused(f"没有读卡器 {name}，现有：{known}", f"no reader {name}; there are: {known}")
        return reader

    def _hindrance(self, device: str) -> _Sentence | None:
        """Why nothing can come of what is done to a device."""
        match self._pluggables[device].use:
            case Use.UNPLUGGED:
                return _Sentence(f"{device} 已拔出", f"{device} is unplugged")
            case Use.IDLE:
                return _Sentence(f"没有终端在使用 {device}", f"no terminal uses {device}")
        return None

    def _must_be_heard(self, device: str) -> None:
        """What is sent to nobody is lost, so it is not sent."""
        if (hindrance := self._hindrance(device)) is not None:
            raise _Refused(f"没有终端收到：{hindrance.zh}", f"no terminal received it: {hindrance.en}")

    def _scan(self, command: Scan) -> None:
        scanner = self._scanners.get(command.scanner)
        if scanner is None:
            raise _missing(command.scanner)
        self._must_be_heard(command.scanner)
        try:
            scanner.scan(command.text)
        except UnicodeEncodeError as error:
            raise _Refused("文本无法编码", "the text has characters that the scanner cannot send") from error

    def _filming(self) -> VirtualCamera:
        if self._camera is None:
            raise _missing("camera")
        return self._camera

    def _hold(self, command: Hold) -> None:
        from drivers.virtual.phone import LOOKS, NotACode

        camera = self._filming()
        if not command.texts:
            camera.take_away()
            return
        self._must_be_heard("camera")
        look = LOOKS.get(command.look)
        if look is None:
            known = ", ".join(LOOKS)
            raise _Refused(f"没有外观 {command.look}，现有：{known}", f"no look {command.look}; there are: {known}")
        try:
            camera.show(command.texts, look, command.hold_ms, symbology=command.symbology, enter_ms=command.enter_ms)
        except NotACode as error:
            raise _Refused("文本无法成为这种码", str(error)) from error

    async def _press(self, command: Press) -> None:
        if command.amount is not None:
            keypad = self._keypads.get(command.keypad)
            if keypad is None:
                raise _missing(command.keypad)
            self._must_be_heard(command.keypad)
            keypad.press(command.amount + "\r")
        elif command.input is not None:
            if self._relay is None:
                raise _missing("relay")
            if command.input not in self._relay.inputs:
                known = ", ".join(self._relay.inputs)
                raise _Refused(
                    f"没有输入 {command.input}，现有：{known}", f"no input {command.input}; there are: {known}"
                )
            await self._touch(self._relay, command.input, command)

    async def _touch(self, relay: VirtualRelay, contact: str, command: Press) -> None:
        """Close or open a contact, which stays so, or close it for a moment."""
        if command.pulse_ms is None:
            relay.press(contact, active=bool(command.active))
            if (hindrance := self._hindrance("relay")) is not None:
                raise _Refused(f"{contact} 已改变，但{hindrance.zh}", f"{contact} has changed, but {hindrance.en}")
            await asyncio.to_thread(relay.wait_read, READ_S)
            return
        self._must_be_heard("relay")
        relay.press(contact, active=True)
        try:
            await asyncio.to_thread(relay.wait_read, READ_S)
            await asyncio.sleep(command.pulse_ms / 1000)
        finally:
            relay.press(contact, active=False)
        await asyncio.to_thread(relay.wait_read, READ_S)

    async def _plug(self, command: Plug) -> None:
        device = self._pluggables.get(command.device)
        if device is None:
            known = ", ".join(self._pluggables)
            raise _Refused(
                f"没有设备 {command.device}，现有：{known}", f"no device {command.device}; there are: {known}"
            )
        async with self._plugging:
            plugged = device.use is not Use.UNPLUGGED
            if plugged is (command.do == "replug"):
                raise _Refused(
                    f"{command.device} 本来就{'插着' if plugged else '没插'}",
                    f"{command.device} is {'plugged in' if plugged else 'unplugged'} already",
                )
            await asyncio.to_thread(device.plug if command.do == "replug" else device.unplug)

    def _relay_state(self) -> RelayState:
        if self._relay is None:
            raise _missing("relay")
        history = self._relay.history[-HISTORY_SHOWN:]
        return RelayState(
            outputs=self._relay.outputs,
            inputs=self._relay.inputs,
            history=tuple(Change(output=each.output, on=each.on, at_ns=each.at_ns) for each in history),
        )

    def _library_state(self) -> LibraryState:
        if self._library is None:
            raise _missing("library")
        shelves = self._library.shelves
        return LibraryState(
            loans={number: item.holder for number, item in shelves.items.items() if item.holder is not None},
            moves=tuple(LibraryMove(**asdict(move)) for move in shelves.moves[-HISTORY_SHOWN:]),
        )


def _missing(device: str) -> _Refused:
    return _Refused(f"没有虚拟设备 {device}", f"there is no virtual {device}")
