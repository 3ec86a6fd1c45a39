"""zxing-cpp behind this room's types: what it read, and where it saw a symbol that it could not read."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import cv2
import numpy as np
import zxingcpp

from drivers.vision.picture import Region
from drivers.vision.sight import Gray, Quad, Symbol, Symbology, scaled

_FORMATS = {
    Symbology.QR: zxingcpp.BarcodeFormat.QRCodeModel2,
    Symbology.EAN_13: zxingcpp.BarcodeFormat.EAN13,
    Symbology.CODE_128: zxingcpp.BarcodeFormat.Code128,
    Symbology.CODE_39: zxingcpp.BarcodeFormat.Code39,
    Symbology.ITF: zxingcpp.BarcodeFormat.ITF,
    Symbology.CODABAR: zxingcpp.BarcodeFormat.Codabar,
}
"""What is asked for. The family ``QRCode`` would bring Micro QR and rMQR: their one finder pattern is in every picture
of a QR code, the smallest Micro QR corrects no error (ISO/IEC 18004, M1), and neither can hold a citizen code."""
_QR_ONLY = frozenset({Symbology.QR})


class Found(NamedTuple):
    """What one pass over a picture brought."""

    symbols: list[Symbol]
    regions: list[Region]


def read(
    gray: Gray,
    symbologies: Collection[Symbology] = _QR_ONLY,
    *,
    shrink: bool = True,
    invert: bool = False,
    histogram: bool = False,
    magnified: float = 1.0,
) -> Found:
    """One pass. QR is found in any turn; only linear codes need the second, turned pass.

    ``shrink`` looks at smaller copies too, for symbols that are large or blurred; ``histogram`` takes one threshold for
    the whole picture instead of local ones; ``magnified`` is by how much ``gray`` was enlarged, and quads are told
    without it. Escapes are off: control characters arrive as they stand in the symbol. Bytes without a charset of
    their own (ECI) become text by UTF-8 or a guess; ``data`` has them as they are.
    """
    binarizer = zxingcpp.Binarizer.GlobalHistogram if histogram else zxingcpp.Binarizer.LocalAverage
    barcodes = zxingcpp.read_barcodes(
        gray,
        formats=zxingcpp.BarcodeFormats([_FORMATS[one] for one in sorted(symbologies)]),
        try_rotate=not _QR_ONLY.issuperset(symbologies),
        try_downscale=shrink,
        try_invert=invert,
        text_mode=zxingcpp.TextMode.Plain,
        binarizer=binarizer,
        return_errors=True,
    )
    found = Found([], [])
    for barcode in barcodes:
        quad = scaled(_quad(barcode.position), 1 / magnified)
        if barcode.valid:
            found.symbols.append(Symbol(barcode.text, barcode.bytes, _symbology(barcode), quad))
        elif barcode.format == zxingcpp.BarcodeFormat.QRCode:
            found.regions.append(Region(quad, _modules(barcode)))
    return found


def read_patch(patch: Gray, back: Gray) -> list[Symbol]:
    """Read a rectified region; ``back`` maps its pixels into the picture's."""
    return [Symbol(one.text, one.data, one.symbology, _mapped(one.quad, back)) for one in read(patch).symbols]


def _symbology(barcode: zxingcpp.Barcode) -> Symbology:
    """What was read; a QR symbol is told as ``QRCode``, which is no format that is asked for."""
    return next(
        (name for name, form in _FORMATS.items() if barcode.format == form or barcode.symbology == form), Symbology.QR
    )


def _modules(barcode: zxingcpp.Barcode) -> int:
    """The side of the symbol in modules (ISO/IEC 18004 §5.3.1), if its version was read."""
    extra = barcode.extra
    version = str(extra.get("Version", "")) if isinstance(extra, dict) else ""
    return 17 + 4 * int(version) if version.isdecimal() else 0


def _quad(position: zxingcpp.Position) -> Quad:
    a, b, c, d = position.top_left, position.top_right, position.bottom_right, position.bottom_left
    return ((a.x, a.y), (b.x, b.y), (c.x, c.y), (d.x, d.y))


def _mapped(quad: Quad, matrix: Gray) -> Quad:
    points = cv2.perspectiveTransform(np.array([quad], np.float64), matrix)[0]
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return (a, b, c, d)
