"""Chip cards through PC/SC: pcscd and libpcsclite, by pyscard's low-level calls.

Insertion and removal come as status changes of pcscd (``SCardGetStatusChange``); the card itself is never polled. The
event counter in the upper half of the state (PC/SC part 5, ``dwEventState``) tells one presentation from the next.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

from pydantic import Field
from smartcard import scard  # type: ignore[import-untyped]  # pyscard ships no types

from drivers.api import CardError, CardFault, DriverSettings, Interface, ReaderError, ReaderFault

_WAIT_SLICE_MS = 1_000
"""pcscd forgets a cancel that comes a moment before the wait: no single wait is longer than this."""
_PCSCD_SOCKET = "/run/pcscd/pcscd.comm"
_STATUS_BYTES = 2
_HEADER_AND_LC_BYTES = 5
_TS_DIRECT = 0x3B
_CONTACTLESS_T0 = 0x80
_CONTACTLESS_TD = b"\x80\x01"
_GONE = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE
_NO_CHANGE = {scard.SCARD_E_TIMEOUT, scard.SCARD_E_CANCELLED}

_CARD_FAULTS = {
    scard.SCARD_W_REMOVED_CARD: CardFault.REMOVED,
    scard.SCARD_E_NO_SMARTCARD: CardFault.REMOVED,
    scard.SCARD_E_NOT_TRANSACTED: CardFault.REMOVED,  # a card torn out in mid-command, before pcscd has noticed
    scard.SCARD_W_UNPOWERED_CARD: CardFault.MUTE,
    scard.SCARD_W_UNRESPONSIVE_CARD: CardFault.MUTE,
    scard.SCARD_W_UNSUPPORTED_CARD: CardFault.GARBLED,
    scard.SCARD_E_PROTO_MISMATCH: CardFault.GARBLED,
    scard.SCARD_E_INSUFFICIENT_BUFFER: CardFault.GARBLED,
    scard.SCARD_E_SHARING_VIOLATION: CardFault.SHARED,
    scard.SCARD_W_RESET_CARD: CardFault.SHARED,  # another program reset it: what we selected is lost
}
_READER_FAULTS = {
    scard.SCARD_E_NO_SERVICE: ReaderFault.NO_SERVICE,
    scard.SCARD_E_SERVICE_STOPPED: ReaderFault.NO_SERVICE,
    scard.SCARD_F_COMM_ERROR: ReaderFault.NO_SERVICE,
    scard.SCARD_W_SECURITY_VIOLATION: ReaderFault.NO_SERVICE,  # pcscd hung up; only at open does it mean refusal
    scard.SCARD_E_INVALID_HANDLE: ReaderFault.NO_SERVICE,  # a restarted pcscd does not know our handles
    scard.SCARD_E_READER_UNAVAILABLE: ReaderFault.UNPLUGGED,
    scard.SCARD_E_UNKNOWN_READER: ReaderFault.UNPLUGGED,
    scard.SCARD_E_NO_READERS_AVAILABLE: ReaderFault.UNPLUGGED,
    scard.SCARD_E_NO_ACCESS: ReaderFault.DENIED,
}


class PcscSettings(DriverSettings):
    """Which PC/SC reader, and how its cards are used."""

    reader: str = Field(
        default="*",
        min_length=1,
        max_length=128,
        description="PC/SC name of the reader, or a pattern with * and ?; of several that match, the first by name",
    )
    interface: Literal["auto", "contact", "contactless"] = Field(
        default="auto",
        description="auto tells by the ATR; state it where the reader has one interface only, then it is certain",
    )
    exclusive: bool = Field(
        default=True,
        description="while a card is being read no other program may speak to it, so none can disturb the reading",
    )
    shared_retry_ms: int = Field(
        default=500, ge=50, le=10_000, description="how often to ask again for a card that another program holds"
    )


class PcscReader:
    """A :class:`~drivers.api.CardReader` on pcscd. Survives its restarts: ``close`` and ``open`` suffice."""

    Settings: ClassVar[type[DriverSettings]] = PcscSettings

    def __init__(self, name: str, settings: PcscSettings) -> None:
        self.name = name
        self._settings = settings
        self._context: int | None = None
        self._context_lock = threading.Lock()
        self._cancelled = threading.Event()
        self._reader = ""
        self._state: int = scard.SCARD_STATE_UNAWARE
        self._seen: int | None = None
        self._held_by_other = False
        self._channel: PcscChannel | None = None

    def open(self) -> None:
        """Raises :class:`ReaderError`: NO_SERVICE, DENIED, NOT_FOUND (its detail names the readers there are)."""
        if self._context is not None:
            return
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        if code == scard.SCARD_W_SECURITY_VIOLATION or (code == scard.SCARD_E_NO_SERVICE and _socket_is_forbidden()):
            raise ReaderError(ReaderFault.DENIED, "pcscd's socket, or its policy")
        if code != scard.SCARD_S_SUCCESS:
            raise _error(code)
        with self._context_lock:
            self._context = context
        try:
            self._reader = self._find(context)
        except ReaderError:
            self.close()
            raise
        self._state = scard.SCARD_STATE_UNAWARE
        self._seen = None
        self._held_by_other = False
        self._cancelled.clear()

    def close(self) -> None:
        self._end_presentation()
        with self._context_lock:
            context, self._context = self._context, None
            if context is not None:
                scard.SCardReleaseContext(context)

    def cancel(self) -> None:
        self._cancelled.set()
        with self._context_lock:
            if self._context is not None:
                scard.SCardCancel(self._context)

    def wait_card(self, timeout_s: float) -> PcscChannel | None:
        empty = bool(self._state & scard.SCARD_STATE_EMPTY)
        for state in self._states(timeout_s, known_empty=empty):
            if self._channel is not None and self._channel.lost_to_other:
                self._held_by_other = True
            if state & scard.SCARD_STATE_PRESENT and (self._held_by_other or _presentation(state) != self._seen):
                channel = self._hand_out(state)
                if channel is not None:
                    return channel
        return None

    def wait_removal(self, timeout_s: float) -> bool:
        """Also true when the card of the last presentation has left and another one lies there already.

        The connection ends here, and other programs may use the card: status changes tell of its leaving without one.
        """
        self._end_presentation()
        for state in self._states(timeout_s):
            if not state & scard.SCARD_STATE_PRESENT or self._seen not in (None, _presentation(state)):
                return True
        return False

    def names(self) -> list[str]:
        """All readers of the service, while this one is open. Raises :class:`ReaderError`."""
        return _names(self._opened())

    def _find(self, context: int) -> str:
        readers = _names(context)
        pattern = self._settings.reader
        # Real names hold brackets, "ACR122U [CCID Interface]", which fnmatch would read as a set of characters.
        matching = sorted(name for name in readers if fnmatchcase(name, pattern.replace("[", "[[]")))
        if not matching:
            raise ReaderError(ReaderFault.NOT_FOUND, f"no reader matches {pattern!r}; there are: {readers}")
        return str(matching[0])

    def _states(self, timeout_s: float, *, known_empty: bool = False) -> Iterator[int]:
        """The reader's state now, and after each change or pause, until the time is up or :meth:`cancel`.

        Of one that was ``known_empty`` only what changed since then: that ends the wait, and pcscd is asked once.
        """
        deadline = time.monotonic() + timeout_s
        if timeout_s <= 0 or not known_empty:
            yield self._next_state(0)
        while not self._cancelled.is_set():
            left_ms = round((deadline - time.monotonic()) * 1000)
            if left_ms <= 0:
                return
            retry_ms = self._settings.shared_retry_ms if self._held_by_other else _WAIT_SLICE_MS
            yield self._next_state(min(left_ms, retry_ms, _WAIT_SLICE_MS))
        self._cancelled.clear()

    def _next_state(self, timeout_ms: int) -> int:
        code, states = scard.SCardGetStatusChange(self._opened(), timeout_ms, [(self._reader, self._state)])
        if code not in _NO_CHANGE:
            if code != scard.SCARD_S_SUCCESS:
                raise _error(code)
            state: int = states[0][1]
            if state & _GONE:
                raise ReaderError(ReaderFault.UNPLUGGED, self._reader)
            self._state = state & ~scard.SCARD_STATE_CHANGED
        return self._state

    def _hand_out(self, state: int) -> PcscChannel | None:
        """A channel to this state's card; ``None`` if another took its place, or the other program still holds it."""
        self._end_presentation()
        known_as_held = self._held_by_other and _presentation(state) == self._seen
        self._seen = _presentation(state)
        self._held_by_other = False
        share = scard.SCARD_SHARE_EXCLUSIVE if self._settings.exclusive else scard.SCARD_SHARE_SHARED
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        code, handle, protocol = scard.SCardConnect(self._opened(), self._reader, share, protocols)
        if code == scard.SCARD_E_SHARING_VIOLATION:
            self._held_by_other = True
            if known_as_held:
                return None
        if code != scard.SCARD_S_SUCCESS:
            raise _error(code)
        self._channel = PcscChannel(handle, protocol, self._settings.interface)
        if _presentation(self._next_state(0)) != self._seen:
            self._end_presentation()
        return self._channel

    def _end_presentation(self) -> None:
        if self._channel is not None:
            self._channel.end()
            self._channel = None

    def _opened(self) -> int:
        if self._context is None:
            raise ReaderError(ReaderFault.UNPLUGGED, "the reader is not open")
        return self._context


def reader_names() -> list[str]:
    """Every reader that pcscd knows now, sorted. Raises :class:`ReaderError`; no card is touched."""
    probe = PcscReader("probe", PcscSettings())
    try:
        probe.open()
        return probe.names()
    except ReaderError as error:
        if error.fault is ReaderFault.NOT_FOUND:  # of no reader at all
            return []
        raise
    finally:
        probe.close()


class PcscChannel:
    """A :class:`~drivers.api.CardChannel` on one connection to pcscd. Closed by its reader."""

    def __init__(self, handle: int, protocol: int, interface: Literal["auto", "contact", "contactless"]) -> None:
        self._handle: int | None = handle
        self._protocol = protocol
        self.lost_to_other = False
        code, _, _, _, atr = scard.SCardStatus(handle)
        if code != scard.SCARD_S_SUCCESS:
            self.end()
            raise _error(code)
        self.atr = bytes(atr)
        self.interface = _interface_of(self.atr) if interface == "auto" else Interface(interface)

    def transmit(self, apdu: bytes) -> bytes:
        """As :meth:`drivers.api.CardChannel.transmit`; SHARED if another program took or reset a shared card.

        How long a card may think is the reader's business (BWT, WTX): PC/SC has no time-out of its own.
        """
        if self._handle is None:
            raise CardError(CardFault.REMOVED)
        command = _without_le(apdu) if self._protocol == scard.SCARD_PROTOCOL_T0 else apdu
        code, answer = scard.SCardTransmit(self._handle, self._protocol, list(command))
        if code != scard.SCARD_S_SUCCESS:
            error = _error(code)
            self.lost_to_other = error.fault is CardFault.SHARED
            self.end()
            raise error
        if len(answer) < _STATUS_BYTES:
            # Some reader drivers, vpcd among them, report a card that left as success without a single byte.
            self.end()
            raise CardError(CardFault.GARBLED if answer else CardFault.REMOVED)
        return bytes(answer)

    def end(self) -> None:
        """Let the card go; harmless when it is gone."""
        handle, self._handle = self._handle, None
        if handle is not None:
            # Never a reset here: if the card has just left, it fails, pcscd marks the reader empty before its own watch
            # has noticed, and a card that comes back at once is then not announced at all.
            scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)


def _names(context: int) -> list[str]:
    code, readers = scard.SCardListReaders(context, [])
    if code not in (scard.SCARD_S_SUCCESS, scard.SCARD_E_NO_READERS_AVAILABLE):
        raise _error(code)
    return sorted(map(str, readers))


def _presentation(state: int) -> int:
    """pcscd's count of insertions and removals: another number, another presentation."""
    return state >> 16


def _without_le(apdu: bytes) -> bytes:
    """T=0 has no case 4: without Le the card answers ``61xx`` and waits for GET RESPONSE (ISO/IEC 7816-3 §12.2.4)."""
    is_case_4 = len(apdu) > _HEADER_AND_LC_BYTES and apdu[4] != 0 and len(apdu) == _HEADER_AND_LC_BYTES + apdu[4] + 1
    return apdu[:-1] if is_case_4 else apdu


def _interface_of(atr: bytes) -> Interface:
    """``3B 8n 80 01`` and n historical bytes and TCK is the ATR that PC/SC part 3 §3.1.3.2.3 builds for ISO 14443.

    Right for every contactless reader that follows PC/SC. A contact card may in principle offer T=0 and T=1 with all
    defaults and so look the same; none of the social-security generations does. Where it matters, configure it.
    """
    contactless = (
        len(atr) > len(_CONTACTLESS_TD)
        and atr[0] == _TS_DIRECT
        and atr[1] & 0xF0 == _CONTACTLESS_T0
        and atr[2:4] == _CONTACTLESS_TD
        and len(atr) == 4 + (atr[1] & 0x0F) + 1
    )
    return Interface.CONTACTLESS if contactless else Interface.CONTACT


def _error(code: int) -> CardError | ReaderError:
    """A PC/SC return code as one of this room's faults; one that we do not know is the reader's."""
    detail = f"PC/SC 0x{code & 0xFFFFFFFF:08X}"
    card_fault = _CARD_FAULTS.get(code)
    if card_fault is not None:
        return CardError(card_fault, detail)
    return ReaderError(_READER_FAULTS.get(code, ReaderFault.PROTOCOL), detail)


def _socket_is_forbidden() -> bool:
    """PC/SC says "no service" when the socket is there and we may not use it; the kernel tells the two apart."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.environ.get("PCSCLITE_CSOCK_NAME", _PCSCD_SOCKET))
        except PermissionError:
            return True
        except OSError:
            return False
    return False
