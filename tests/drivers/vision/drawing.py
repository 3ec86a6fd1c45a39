"""Pictures of codes, drawn: nothing here was photographed."""

from __future__ import annotations

import cv2
import numpy as np
import segno
import zxingcpp

from drivers.vision.api import Gray

TEXT = "EC1:6BF590B20FFWJWG.FKJ05H7B0XIVR60E%Q3D$T"
QUIET = 4


def qr(text: str = TEXT, module_px: int = 5, *, error: str = "m") -> Gray:
    """A QR symbol with its quiet zone, black on white."""
    code = segno.make_qr(text, error=error, boost_error=False)
    bits = np.array([[0 if bit else 255 for bit in row] for row in code.matrix_iter(border=QUIET)], np.uint8)
    return np.kron(bits, np.ones((module_px, module_px), np.uint8))


def damaged() -> Gray:
    """A symbol whose finder patterns stand and whose data nobody can correct, 8 pixels a module."""
    symbol = qr(module_px=8)
    symbol[130:220, 130:220] = 0
    symbol[230:, 120:] = 255
    return symbol


def linear(kind: zxingcpp.BarcodeFormat, text: str) -> Gray:
    """A linear symbol on a white page."""
    drawn = np.array(zxingcpp.create_barcode(text, kind).to_image(scale=3, add_quiet_zones=True))
    return on_page(cv2.resize(drawn, None, fx=1, fy=4, interpolation=cv2.INTER_NEAREST))


def on_page(symbol: Gray, width: int = 960, height: int = 720, left: int = 300, top: int = 150) -> Gray:
    """The symbol on a light page; what stands beyond the page is cut off."""
    page = np.full((height, width), 225, np.uint8)
    cut = symbol[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    top, left = max(0, top), max(0, left)
    page[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    return page


def tilted(page: Gray, share: float = 0.12) -> Gray:
    """The page seen from the side: its right edge is shorter by twice the share."""
    height, width = page.shape
    drop = height * share
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    target = np.array([(0, 0), (width, drop), (width, height - drop), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    return cv2.warpPerspective(page, matrix, (width, height), borderValue=128)


def glare(page: Gray, x: int, y: int, radius: int, strength: float) -> Gray:
    """A lamp's reflection: light is added, and clips."""
    rows, columns = np.mgrid[0 : page.shape[0], 0 : page.shape[1]]
    light = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2)) * strength
    lit: Gray = np.clip(page * 0.55 + light, 0, 255).astype(np.uint8)
    return lit


def noisy(page: Gray, seed: int, sigma: float = 12.0) -> Gray:
    """Sensor noise."""
    noise = np.random.default_rng(seed).normal(0, sigma, page.shape)
    shown: Gray = np.clip(page + noise, 0, 255).astype(np.uint8)
    return shown
