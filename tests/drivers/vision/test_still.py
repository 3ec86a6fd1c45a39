"""One picture: what is read, where it stands, what is said of the rest, and when it gives up."""

from __future__ import annotations

from itertools import count

import cv2
import numpy as np
import pytest
import zxingcpp

from drivers.vision.api import Gray, Problem, Symbology, still
from drivers.vision.picture import Picture, Region
from drivers.vision.sight import centre_of
from drivers.vision.stages import CHEAP, HARD
from tests.drivers.vision import drawing

_FRAMED = drawing.on_page(drawing.qr())
_EVERY_STAGE = {step.name: step.stage for step in CHEAP + HARD}
_ROOMY_MS = 60_000


def _texts(gray: Gray, *symbologies: Symbology) -> list[str]:
    return [one.text for one in still(gray, symbologies or (Symbology.QR,), budget_ms=_ROOMY_MS).symbols]


@pytest.mark.parametrize("angle", [0, 30, 90, 135, 200])
def test_a_code_is_read_in_any_turn(angle: int) -> None:
    turn = cv2.getRotationMatrix2D((480, 360), angle, 0.8)
    assert _texts(cv2.warpAffine(_FRAMED, turn, (960, 720), borderValue=225)) == [drawing.TEXT]


@pytest.mark.parametrize(
    "picture",
    [
        drawing.tilted(_FRAMED),
        drawing.noisy(_FRAMED, seed=7),
        drawing.noisy(cv2.GaussianBlur(drawing.tilted(_FRAMED, 0.08), (0, 0), 2), seed=8, sigma=4),
        cv2.bitwise_not(_FRAMED),
        (_FRAMED // 12 + 3).astype(np.uint8),
        (_FRAMED // 10 + 220).astype(np.uint8),
        drawing.glare(_FRAMED, 420, 260, 120, 140),
        drawing.on_page(drawing.qr(module_px=17), top=20, left=60),
        np.asfortranarray(_FRAMED),
        _FRAMED[:, ::-1],
    ],
    ids=["tilt", "noise", "blur", "dark mode", "dusk", "haze", "glare", "large", "other memory order", "mirror"],
)
def test_a_code_is_read_in_a_bad_picture(picture: Gray) -> None:
    assert _texts(picture) == [drawing.TEXT]


def test_the_position_is_that_of_the_symbol_in_the_picture() -> None:
    (symbol,) = still(_FRAMED).symbols
    middle = drawing.qr().shape[0] / 2
    assert centre_of(symbol.quad) == pytest.approx((300 + middle, 150 + middle), abs=3)


def test_a_picture_beyond_full_hd_is_shrunk_and_its_positions_are_not() -> None:
    large = cv2.resize(_FRAMED, None, fx=3, fy=3)
    (symbol,) = still(large).symbols
    (plain,) = still(_FRAMED).symbols
    assert np.array(symbol.quad) == pytest.approx(np.array(plain.quad) * 3, abs=10)


@pytest.mark.parametrize("name", sorted(_EVERY_STAGE))
def test_every_stage_reads_an_easy_code_that_was_located(name: str) -> None:
    page = cv2.bitwise_not(_FRAMED) if name == "inverted" else _FRAMED
    picture = Picture(page, frozenset({Symbology.QR}))
    picture.suspect(_region_of_the_code())
    assert [one.text for one in _EVERY_STAGE[name](picture)] == [drawing.TEXT]


def test_a_rectified_region_tells_its_position_in_the_picture() -> None:
    picture = Picture(_FRAMED, frozenset({Symbology.QR}))
    picture.suspect(_region_of_the_code())
    (symbol,) = _EVERY_STAGE["region equalised"](picture)
    assert np.array(symbol.quad) == pytest.approx(np.array(still(_FRAMED).symbols[0].quad), abs=4)


def test_several_codes_in_one_picture_are_all_read() -> None:
    page = np.full((720, 1280), 230, np.uint8)
    for number in range(10):
        code = drawing.qr(f"code {number}", 6)
        top, left = 20 + number // 5 * 300, 20 + number % 5 * 240
        page[top : top + code.shape[0], left : left + code.shape[1]] = code
    assert sorted(_texts(page)) == [f"code {number}" for number in range(10)]


def test_a_code_drawn_inside_a_code_is_not_told_beside_it() -> None:
    outer = drawing.qr("outer", 24, error="h")
    inner = drawing.qr("inner", 3)
    at = (outer.shape[0] - inner.shape[0]) // 2
    outer[at : at + inner.shape[0], at : at + inner.shape[1]] = inner
    assert _texts(drawing.on_page(outer, 1000, 900, 20, 20)) == ["outer"]


@pytest.mark.parametrize("text", ["\x01\x10A\x1d\x00Z", "市民码", "<GS>", "0" * 300])
def test_the_text_arrives_as_it_was_encoded(text: str) -> None:
    (symbol,) = still(drawing.on_page(drawing.qr(text, 6), 1200, 900)).symbols
    assert symbol.text == text
    assert text not in repr(symbol)


def test_the_bytes_are_told_before_any_charset() -> None:
    (symbol,) = still(drawing.on_page(drawing.qr("ÄÖÜ ß", 6))).symbols
    assert symbol.data == "ÄÖÜ ß".encode("iso-8859-1")


@pytest.mark.parametrize(
    ("symbology", "kind", "text"),
    [
        (Symbology.EAN_13, zxingcpp.BarcodeFormat.EAN13, "9787302511854"),
        (Symbology.CODE_128, zxingcpp.BarcodeFormat.Code128, "BOOK-00417"),
        (Symbology.CODE_39, zxingcpp.BarcodeFormat.Code39, "SHELF7"),
        (Symbology.ITF, zxingcpp.BarcodeFormat.ITF, "00123456789012"),
        (Symbology.CODABAR, zxingcpp.BarcodeFormat.Codabar, "A40156B"),
    ],
)
def test_a_linear_code_is_read_when_it_is_asked_for_and_only_then(
    symbology: Symbology, kind: zxingcpp.BarcodeFormat, text: str
) -> None:
    page = drawing.linear(kind, text)
    (symbol,) = still(page, (Symbology.QR, symbology)).symbols
    assert (symbol.text, symbol.symbology) == (text, symbology)
    assert not still(page).symbols
    assert [one.text for one in still(cv2.rotate(page, cv2.ROTATE_90_CLOCKWISE), (symbology,)).symbols] == [text]


@pytest.mark.parametrize("kind", [zxingcpp.BarcodeFormat.MicroQRCode, zxingcpp.BarcodeFormat.RMQRCode])
def test_a_small_kin_of_qr_that_noise_can_look_like_is_never_read(kind: zxingcpp.BarcodeFormat) -> None:
    symbol = np.array(zxingcpp.create_barcode("12345", kind).to_image(scale=8, add_quiet_zones=True))
    assert zxingcpp.read_barcodes(
        drawing.on_page(symbol), formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    )
    assert not _texts(drawing.on_page(symbol))


def test_a_code_that_the_frame_cuts_is_called_cut() -> None:
    sight = still(drawing.on_page(drawing.qr(module_px=10), left=720, top=120), budget_ms=_ROOMY_MS)
    assert not sight.symbols
    assert [one.problem for one in sight.located] == [Problem.CUT]


def test_a_code_with_tiny_modules_is_called_small() -> None:
    tiny = cv2.resize(drawing.damaged(), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    sight = still(drawing.on_page(tiny), budget_ms=_ROOMY_MS)
    assert not sight.symbols
    assert [one.problem for one in sight.located] == [Problem.SMALL]


def test_a_code_that_was_painted_over_is_called_unread() -> None:
    sight = still(drawing.on_page(drawing.damaged()), budget_ms=_ROOMY_MS)
    assert not sight.symbols
    assert [one.problem for one in sight.located] == [Problem.UNREAD]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_read_where_there_is_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (480, 640), np.uint8)
    tiles = np.kron(random.integers(0, 2, (48, 64)).astype(np.uint8) * 255, np.ones((10, 10), np.uint8))
    for picture in (noise, tiles, cv2.GaussianBlur(noise, (0, 0), 3), np.full((480, 640), seed * 80, np.uint8)):
        assert not still(picture, tuple(Symbology)[:3], budget_ms=_ROOMY_MS).symbols


def test_no_hard_stage_begins_after_the_budget() -> None:
    moments = count(0, 1_000_000)
    asked: list[int] = []

    def clock() -> int:
        asked.append(next(moments))
        return asked[-1]

    still(np.zeros((200, 200), np.uint8), budget_ms=1, monotonic_ns=clock)
    assert len(asked) == 2  # once for the deadline, once to find it passed


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32), np.zeros((0, 4), np.uint8)]
)
def test_what_is_no_grey_picture_is_refused(array: Gray) -> None:
    with pytest.raises(ValueError, match="grey bytes"):
        still(array)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (6, 6), (3, 2000), (2100, 2)])
def test_pictures_of_any_shape_are_survived(shape: tuple[int, int]) -> None:
    assert not still(np.full(shape, 90, np.uint8), tuple(Symbology)).symbols


def _region_of_the_code() -> list[Region]:
    (symbol,) = still(_FRAMED).symbols
    return [Region(symbol.quad)]
