"""zbar behind this room's types: a second opinion on QR symbols whose finder patterns others miss."""

from __future__ import annotations

from pyzbar.pyzbar import ZBarSymbol, decode  # type: ignore[import-untyped]  # it has no stubs

from drivers.vision.sight import Gray, Quad, Symbol, Symbology

_CORNERS = 4


def read(gray: Gray) -> list[Symbol]:
    """QR symbols with a text of ASCII only.

    zbar guesses charsets (UTF-8 taken for Shift-JIS), and a guess can turn bytes into other text; ASCII alone is the
    same in all that it guesses, so a non-ASCII text is dropped rather than trusted. EC1 is ASCII. Linear symbologies
    stay off: they read noise.
    """
    return [
        Symbol(one.data.decode("ascii"), one.data, Symbology.QR, _quad(one.polygon))
        for one in decode(gray, symbols=[ZBarSymbol.QRCODE])
        if one.data and one.data.isascii() and len(one.polygon) == _CORNERS
    ]


def _quad(polygon: list[tuple[int, int]]) -> Quad:
    a, b, c, d = ((float(x), float(y)) for x, y in polygon)
    return (a, b, c, d)
