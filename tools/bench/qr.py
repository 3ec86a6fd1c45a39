"""``onecard bench qr``: codes read from a set of photographs, beside pyzbar, OpenCV and zxing-cpp on the same pictures.

The set is a folder with ``manifest.jsonl``, one JSON object a line: ``image``, ``category``, ``texts`` (what the
picture's codes say; empty when it holds none; null when unknown) and ``quads`` (x and y of four corners for each code).
A hit is a picture in which an expected text was read exactly or, where only corners are known, in which a reading's
centre lies inside one of them. Wrong is each reading that no expected text allows. One thread.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import cv2
import zxingcpp
from pydantic import BaseModel, ConfigDict
from pyzbar.pyzbar import ZBarSymbol  # type: ignore[import-untyped]  # it has no stubs
from pyzbar.pyzbar import decode as zbar_decode

from agent.words import say
from drivers.vision.api import Gray, still
from tools.bench.report import Figure, Report, median, percentile
from tools.pictures import load_gray

MANIFEST = "manifest.jsonl"
PICTURES_MAX = 100_000
_NS_PER_MS = 1_000_000

Point = tuple[float, float]
Reading = tuple[str, Point]
"""A text and the centre of the symbol that said it."""
Decoder = Callable[[Gray], list[Reading]]


class Row(BaseModel):
    """One picture of the set; keys that this bench does not use are let be."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    image: str
    category: str = ""
    texts: tuple[str, ...] | None
    quads: tuple[tuple[float, float, float, float, float, float, float, float], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the picture is known to hold no code."""
        return self.texts == ()

    def hit(self, readings: Sequence[Reading]) -> bool:
        """Whether one of the readings is right."""
        if self.texts is not None:
            return any(text in self.texts for text, _ in readings)
        return any(_inside(quad, centre) for quad in self.quads for _, centre in readings)

    def wrong(self, readings: Sequence[Reading]) -> int:
        """How many readings the known texts do not allow; 0 where texts are unknown."""
        return 0 if self.texts is None else sum(text not in self.texts for text, _ in readings)


@dataclass
class Tally:
    """What one decoder did over the set."""

    hits: int = 0
    wrong: int = 0
    by_category: Counter[str] = field(default_factory=Counter)
    hit_ms: list[float] = field(default_factory=list)
    code_ms: list[float] = field(default_factory=list)
    empty_ms: list[float] = field(default_factory=list)

    def add(self, row: Row, readings: Sequence[Reading], ms: float) -> None:
        """Count one picture."""
        self.wrong += row.wrong(readings)
        (self.empty_ms if row.empty else self.code_ms).append(ms)
        if not row.empty and row.hit(readings):
            self.hits += 1
            self.by_category[row.category] += 1
            self.hit_ms.append(ms)


def run(directory: Path) -> Report:
    """Show each picture to all decoders in turn."""
    rows = _rows(directory)
    tallies = {name: Tally() for name in DECODERS}
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for decoder in DECODERS.values():
            decoder(load_gray(directory / rows[0].image))  # sets the libraries up
        turns = deque(DECODERS.items())
        for row in rows:
            gray = load_gray(directory / row.image)
            turns.rotate(1)  # who comes first meets cold caches
            for name, decoder in turns:
                started_ns = time.monotonic_ns()
                readings = decoder(gray)
                tallies[name].add(row, readings, (time.monotonic_ns() - started_ns) / _NS_PER_MS)
    finally:
        cv2.setNumThreads(threads)
    return _report(rows, tallies)


def _report(rows: Sequence[Row], tallies: dict[str, Tally]) -> Report:
    ours, zxing = tallies["onecard"], tallies["zxing"]
    codes = Counter(row.category for row in rows if not row.empty)
    if not ours.hit_ms or not zxing.hit_ms:
        raise click.ClickException(say("这组图片中没有读出任何码", "no code of this set was read"))
    figures = [
        Figure("qr.hits", ours.hits / codes.total(), "", target=0.84, at_least=True),
        Figure("qr.wrong", ours.wrong, "", target=0, digits=0),
        Figure("qr.hit_ms_ratio", median(ours.hit_ms) / median(zxing.hit_ms), "×", target=1.3),
        Figure("qr.p90_ms", percentile(ours.code_ms + ours.empty_ms, 0.9), "ms", target=60),
    ]
    if ours.empty_ms:
        figures.append(Figure("qr.empty_ms", sum(ours.empty_ms) / len(ours.empty_ms), "ms", target=10))
    for name, tally in tallies.items():
        if tally is not ours:
            figures.append(Figure(f"qr.{name}.hits", tally.hits / codes.total(), ""))
            figures.append(Figure(f"qr.{name}.wrong", tally.wrong, "", digits=0))
            figures.append(Figure(f"qr.{name}.p50_ms", median(tally.code_ms), "ms"))
    conditions: dict[str, str | int | float] = {"pictures": codes.total(), "empty": len(ours.empty_ms), "threads": 1}
    for category, count in sorted(codes.items()):
        conditions[category] = f"{ours.by_category[category]} / {count} (zxing {zxing.by_category[category]})"
    return Report("qr", tuple(figures), conditions)


def _rows(directory: Path) -> list[Row]:
    try:
        lines = (directory / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(
            say(f"{directory} 中没有可读的 {MANIFEST}", f"{directory} has no {MANIFEST} that can be read")
        ) from error
    rows = [Row.model_validate_json(line) for line in lines[:PICTURES_MAX] if line.strip()]
    if all(row.empty for row in rows):
        raise click.ClickException(say("清单中没有带码的图片", "the manifest names no picture with a code"))
    return rows


def _onecard(gray: Gray) -> list[Reading]:
    return [(one.text, _centre(one.quad)) for one in still(gray).symbols]


def _zxing(gray: Gray) -> list[Reading]:
    """zxing-cpp with every ``try_*`` on, which is its default; plain text, so that it is compared fairly."""
    found = zxingcpp.read_barcodes(
        gray, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]), text_mode=zxingcpp.TextMode.Plain
    )
    return [(one.text, _centre(_corners(one.position))) for one in found]


def _pyzbar(gray: Gray) -> list[Reading]:
    found = zbar_decode(gray, symbols=[ZBarSymbol.QRCODE])
    return [(one.data.decode("utf-8", "replace"), _centre(one.polygon)) for one in found]


def _opencv(gray: Gray) -> list[Reading]:
    try:
        _, texts, quads, _ = cv2.QRCodeDetector().detectAndDecodeMulti(gray)
    except (cv2.error, UnicodeDecodeError):  # it raises on modes it does not know and on bytes that are not UTF-8
        return []
    return [(text, _centre(quad.tolist())) for text, quad in zip(texts, quads, strict=True) if text] if texts else []


DECODERS: dict[str, Decoder] = {"onecard": _onecard, "zxing": _zxing, "pyzbar": _pyzbar, "opencv": _opencv}


def _corners(position: zxingcpp.Position) -> list[Point]:
    points = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    return [(point.x, point.y) for point in points]


def _centre(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _inside(quad: Sequence[float], point: Point) -> bool:
    """Whether the point lies in the polygon, by crossings of a ray; the corners may stand in either sense."""
    corners = list(zip(quad[::2], quad[1::2], strict=True))
    x, y = point
    crossings = 0
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            crossings += 1
    return crossings % 2 == 1
