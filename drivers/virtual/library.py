"""A library's system in software: a SIP2 server on a real TCP port of this machine, with readers and items.

It reads and writes the protocol by itself (3M SIP 2.00), so that a terminal is tried against another's understanding of
it. A message that comes again with the number of the last one gets the last answer, and nothing is done twice.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from drivers.virtual.api import Use

LINE_MAX_BYTES = 65_536
LOAN_DAYS = 30
MAX_MOVES = 10_000
_TRAILER = re.compile(rb"(?:AY([0-9]))?AZ([0-9A-F]{4})$")

Send = Callable[[socket.socket, bytes], None]


@dataclass
class VirtualItem:
    """A book."""

    title: str
    holder: str | None = None
    due: str = ""
    lendable: bool = True
    reserved_for: str | None = None
    renewals: int = 0


@dataclass
class VirtualPatron:
    """A reader. ``status`` are the protocol's fourteen places."""

    name: str = "张小三"
    status: str = " " * 14
    fee: str = "0.00"
    limit: int = 10


@dataclass(frozen=True, slots=True)
class Move:
    """What was asked, and whether it was done: ``out``, ``in`` or ``renew``; dates as they came."""

    act: str
    item: str
    patron: str | None
    no_block: bool
    cancel: bool
    date: str
    due: str = ""
    done: bool = True


TITLES = ("红楼梦", "西游记", "三国演义", "水浒传", "呐喊", "边城", "围城", "骆驼祥子")
REFERENCE_WORK, RESERVED_BOOK = "辞海", "平凡的世界"


def usual_items() -> dict[str, VirtualItem]:
    """What stands on the shelves of a bench: books to lend, one to be read here, one that waits for another."""
    items = {f"3100000000{number:02d}": VirtualItem(title) for number, title in enumerate(TITLES, 1)}
    items["310000000090"] = VirtualItem(REFERENCE_WORK, lendable=False)
    items["310000000091"] = VirtualItem(RESERVED_BOOK, reserved_for="another")
    return items


@dataclass
class Shelves:
    """Readers, items, and everything that was done with them. A reader who is new here is registered."""

    items: dict[str, VirtualItem] = field(default_factory=usual_items)
    patrons: dict[str, VirtualPatron] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    on_line: bool = True
    now: Callable[[], datetime] = field(default=lambda: datetime.now().astimezone())

    def answer(self, text: str) -> str | None:
        """The answer to one message, without its trailer; ``None`` for what is none that is known here."""
        handler = {
            "93": self._login,
            "99": self._status,
            "63": self._patron,
            "35": self._end,
            "11": self._checkout,
            "09": self._checkin,
            "29": self._renew,
            "17": self._item,
        }.get(text[:2])
        answer = None if handler is None else handler(text)
        if answer is not None and handler in (self._checkout, self._checkin, self._renew) and answer[2] == "0":
            self.moves[-1] = replace(self.moves[-1], done=False)
        return answer

    def charged(self, patron: str) -> list[str]:
        """What a reader has at home."""
        return [number for number, item in self.items.items() if item.holder == patron]

    def _login(self, text: str) -> str:
        del text
        return "941"

    def _status(self, text: str) -> str:
        del text
        on = "Y" if self.on_line else "N"
        return f"98{on}YYYYY100003{self._now()}2.00AOcity|AM市图书馆|BXYYYYYYYYYYYYYYYY|"

    def _patron(self, text: str) -> str:
        fields = _fields(text[33:])
        number = fields.get("AA", "")
        patron = self.patrons.setdefault(number, VirtualPatron())
        charged = self.charged(number)
        listed = "".join(f"AU{item}|" for item in charged) if text[25:26] == "Y" else ""
        counts = f"00000000{len(charged):04d}000000000000"
        return (
            f"64{patron.status}019{self._now()}{counts}AOcity|AA{number}|AE{patron.name}|BLY|BHCNY|"
            f"BV{patron.fee}|CB{patron.limit:04d}|{listed}"
        )

    def _end(self, text: str) -> str:
        return f"36Y{self._now()}AOcity|AA{_fields(text[20:]).get('AA', '')}|"

    def _checkout(self, text: str) -> str:
        no_block, date, due, fields = text[3] == "Y", text[4:22], text[22:40], _fields(text[40:])
        number, barcode = fields.get("AA", ""), fields.get("AB", "")
        item, patron = self.items.get(barcode), self.patrons.setdefault(number, VirtualPatron())
        cancel = fields.get("BI") == "Y"
        self._note(Move("out", barcode, number, no_block, cancel, date, due))
        if not self._lends(item, patron, number, no_block=no_block):
            said = "不能外借" if item is not None else "没有这件馆藏"
            return f"120NUN{self._now()}AOcity|AA{number}|AB{barcode}|AJ{item.title if item else ''}|AH|AF{said}|"
        assert item is not None  # noqa: S101 -- what is lent exists
        item.holder, item.reserved_for = number, None
        item.due = due if no_block and due.strip() else self._in_days(LOAN_DAYS)
        return f"121NNY{self._now()}AOcity|AA{number}|AB{barcode}|AJ{item.title}|AH{item.due}|"

    def _lends(self, item: VirtualItem | None, patron: VirtualPatron, number: str, *, no_block: bool) -> bool:
        if item is None:
            return False
        if no_block:
            return item.holder in (None, number)
        blocked = patron.status[0] == "Y" or len(self.charged(number)) >= patron.limit
        return (
            item.lendable and item.holder is None and item.reserved_for in (None, number) and not blocked
        )  # fmt: skip

    def _checkin(self, text: str) -> str:
        no_block, returned, fields = text[2] == "Y", text[21:39], _fields(text[39:])
        barcode = fields.get("AB", "")
        item = self.items.get(barcode)
        self._note(Move("in", barcode, None, no_block, fields.get("BI") == "Y", returned))
        if item is None:
            return f"100NUN{self._now()}AOcity|AB{barcode}|AQ|AF没有这件馆藏|"
        item.holder = None
        alert = "Y" if item.reserved_for else "N"
        return f"101YN{alert}{self._now()}AOcity|AB{barcode}|AQ总馆|AJ{item.title}|"

    def _renew(self, text: str) -> str:
        no_block, date, fields = text[3] == "Y", text[4:22], _fields(text[40:])
        number, barcode = fields.get("AA", ""), fields.get("AB", "")
        item = self.items.get(barcode)
        self._note(Move("renew", barcode, number, no_block, False, date))
        if item is None or item.holder != number or item.renewals or item.reserved_for:
            return f"300NUN{self._now()}AOcity|AA{number}|AB{barcode}|AJ|AH|AF不能续借|"
        item.renewals, item.due = 1, self._in_days(2 * LOAN_DAYS)
        return f"301YNN{self._now()}AOcity|AA{number}|AB{barcode}|AJ{item.title}|AH{item.due}|"

    def _item(self, text: str) -> str:
        barcode = _fields(text[20:]).get("AB", "")
        item = self.items.get(barcode)
        if item is None:
            return f"18010001{self._now()}AB{barcode}|AJ|"
        status = "04" if item.holder else "08" if item.reserved_for else "03" if item.lendable else "01"
        return f"18{status}0001{self._now()}AB{barcode}|AJ{item.title}|AH{item.due if item.holder else ''}|"

    def _now(self) -> str:
        return _stamp(self.now())

    def _in_days(self, days: int) -> str:
        return _stamp((self.now() + timedelta(days=days)).replace(hour=23, minute=59, second=0))

    def _note(self, move: Move) -> None:
        self.moves.append(move)
        del self.moves[:-MAX_MOVES]


class VirtualLibrary:
    """The server. The address stands in the file ``path`` while it listens; it keeps its port when unplugged.

    ``send`` is how an answer leaves; a test makes it a bad one.
    """

    def __init__(self, path: Path, shelves: Shelves | None = None, *, port: int = 0, encoding: str = "utf-8") -> None:
        self.path = path
        self.shelves = shelves or Shelves()
        self.send: Send = socket.socket.sendall
        self.port = port
        self._encoding = encoding
        self._lock = threading.RLock()
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._last: tuple[bytes, bytes] = (b"", b"")

    @property
    def use(self) -> Use:
        """Whether a terminal is connected."""
        with self._lock:
            if self._listener is None:
                return Use.UNPLUGGED
            return Use.IN_USE if self._connections else Use.IDLE

    def plug(self) -> None:
        """Listen; harmless when it does. Raises ``OSError``."""
        with self._lock:
            if self._listener is not None:
                return
            listener = socket.create_server(("127.0.0.1", self.port))
            self.port = listener.getsockname()[1]
            self._listener = listener
            fresh = self.path.with_name(f".{self.path.name}.new")
            fresh.write_text(f"127.0.0.1:{self.port}\n", encoding="ascii")
            fresh.replace(self.path)
            self._spawn(self._accept, listener)

    def unplug(self) -> None:
        """Break every connection and listen no more; harmless when unplugged."""
        with self._lock:
            listener, self._listener = self._listener, None
            self.path.unlink(missing_ok=True)
            for each in (listener, *self._connections):
                if each is not None:
                    with suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
            threads, self._threads = self._threads, []
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def _spawn(self, serve: Callable[[socket.socket], None], link: socket.socket) -> None:
        thread = threading.Thread(target=serve, args=(link,), name="virtual library", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener, suppress(OSError):
            while True:
                link, _ = listener.accept()
                with self._lock:
                    if self._listener is not listener:
                        link.close()
                        return
                    self._connections.add(link)
                    self._spawn(self._serve, link)

    def _serve(self, link: socket.socket) -> None:
        held = b""
        try:
            with suppress(OSError):
                while len(held) <= LINE_MAX_BYTES and (data := link.recv(4096)):
                    *lines, held = (held + data).replace(b"\n", b"").split(b"\r")
                    for line in lines:
                        self.send(link, self._answer(line))
        finally:
            with self._lock:
                self._connections.discard(link)
            link.close()

    def _answer(self, line: bytes) -> bytes:
        trailer = _TRAILER.search(line)
        if trailer is not None and (sum(line[:-4]) + int(trailer[2], 16)) & 0xFFFF:
            return _closed(b"96", b"")
        with self._lock:
            asked, answered = self._last
            if line.startswith(b"97"):
                return answered
            sequence = trailer[1] if trailer is not None and trailer[1] else b""
            if sequence and line == asked:
                return answered
            body = line if trailer is None else line[: trailer.start()]
            said = self.shelves.answer(body.decode(self._encoding, errors="replace"))
            if said is None:
                return _closed(b"96", b"")
            answer = said.encode(self._encoding)
            closed = answer + b"\r" if trailer is None else _closed(answer, sequence)
            self._last = (line, closed)
            return closed


def _closed(answer: bytes, sequence: bytes) -> bytes:
    answer += (b"AY" + sequence if sequence else b"") + b"AZ"
    return answer + b"%04X" % (-sum(answer) & 0xFFFF) + b"\r"


def _fields(text: str) -> dict[str, str]:
    return {piece[:2]: piece[2:] for piece in text.split("|") if len(piece) >= 2}


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%d    %H%M%S}"
