"""A phone before a camera, drawn: its codes in perspective, and all that keeps a camera from seeing them well.

Every picture is a function of its parameters and its seed. Lengths are pixels of the picture, strengths shares of 0–1.
Numpy and OpenCV are imported here: whoever has no virtual camera does not import this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import segno
import zxingcpp
from numpy.typing import NDArray

Light = NDArray[np.float32]
"""Grey levels 0–255 before they are rounded, height × width."""
Picture = NDArray[np.uint8]
"""Blue, green, red, height × width × 3, as OpenCV has them."""

QUIET_MODULES = 4
"""ISO/IEC 18004 §9.1: four light modules around a QR code."""
_SHARPNESS = 2.0
_FOCAL = 1.2
_TINT = (1.02, 1.0, 0.97)
_FINGER = 150.0


class NotACode(ValueError):
    """The symbology has no code for this text, or is not one that can be drawn."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the phone is held and what spoils the picture."""

    code_px: int = 320
    """Side of what the screen shows, quiet zone included."""
    tilt_deg: float = 4.0
    turn_deg: float = -5.0
    roll_deg: float = 3.0
    brightness: float = 0.95
    blur_px: float = 0.6
    motion_px: float = 0.0
    """Way of the phone while one picture is exposed; it trembles by as much from picture to picture."""
    noise: float = 3.0
    """Standard deviation, in grey levels."""
    glare: float = 0.0
    sun: float = 0.0
    moire: float = 0.0
    banding: float = 0.0
    """Dark bands that wander over a screen dimmed by switching (OLED)."""
    film: float = 0.0
    """A privacy film: dims, and the more the further the screen is turned away."""
    dirt: float = 0.0
    hand: float = 0.0
    """How far a thumb reaches into the screen from its lower edge."""


LOOKS: Mapping[str, Look] = {
    "clear": Look(),
    "tilted": Look(tilt_deg=25.0, turn_deg=20.0, roll_deg=-40.0),
    "small": Look(code_px=150),
    "too-small": Look(code_px=70),
    "blurred": Look(blur_px=2.0),
    "moving": Look(motion_px=5.0),
    "noisy": Look(noise=22.0, brightness=0.55),
    "glare": Look(glare=0.6),
    "sun": Look(sun=0.6, brightness=0.8),
    "moire": Look(moire=0.5),
    "oled": Look(banding=0.6, brightness=0.5),
    "privacy-film": Look(film=0.7, turn_deg=-18.0),
    "dirty-lens": Look(dirt=0.7),
    "hand": Look(hand=0.25),
    "hard": Look(
        tilt_deg=14.0, turn_deg=12.0, roll_deg=18.0, blur_px=1.2, motion_px=2.0, noise=8.0, glare=0.3, moire=0.2
    ),
}


class Shot(NamedTuple):
    """One picture, and whether every code of the screen is wholly in it."""

    picture: Picture
    whole: bool


def code_picture(text: str, symbology: str, side_px: int) -> Light:
    """The bare code, black on white with its quiet zone, at least ``side_px`` wide. Raises :class:`NotACode`."""
    try:
        if symbology == "qr":
            made = segno.make_qr(text, error="m", boost_error=False, encoding=None if text.isascii() else "utf-8")
            dark = np.array(list(made.matrix_iter(border=QUIET_MODULES)), np.uint8)
            modules: Light = np.where(dark, 0, 255).astype(np.float32)
        else:
            barcode = zxingcpp.create_barcode(text, zxingcpp.barcode_format_from_str(symbology))
            modules = np.array(barcode.to_image(scale=1, add_quiet_zones=True), np.float32)
    except ValueError as error:
        raise NotACode(f"{symbology} has no code for this text") from error
    scale = max(1, math.ceil(side_px / modules.shape[1]))
    return np.kron(modules, np.ones((scale, scale), np.float32))


def page(codes: Sequence[Light]) -> Light:
    """A white square with the codes in rows, as many columns as rows."""
    columns = math.ceil(math.sqrt(len(codes)))
    cell = max(max(code.shape) for code in codes)
    white = np.full((cell * columns, cell * columns), 255, np.float32)
    for index, code in enumerate(codes):
        height, width = code.shape
        top = index // columns * cell + (cell - height) // 2
        left = index % columns * cell + (cell - width) // 2
        white[top : top + height, left : left + width] = code
    return white


class Room:
    """What the camera sees when nobody is there."""

    def __init__(self, size: tuple[int, int], seed: int) -> None:
        self.width, self.height = size
        self._seed = seed
        chance = np.random.default_rng(seed)
        coarse = chance.uniform(40, 150, (9, 16)).astype(np.float32)
        self.light: Light = _float(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))

    def chance(self, step: int) -> np.random.Generator:
        """The randomness of one picture."""
        return np.random.default_rng((self._seed, step))

    def empty(self, step: int) -> Picture:
        """Nobody there; only the sensor's noise moves."""
        return _developed(self.light, Look().noise, self.chance(step))


class Phone:
    """A phone that shows codes, in a room. Raises :class:`NotACode`."""

    def __init__(self, room: Room, texts: Sequence[str], look: Look, symbology: str = "qr") -> None:
        self._room = room
        self._look = look
        side_px = math.ceil(_SHARPNESS * look.code_px / math.ceil(math.sqrt(len(texts))))
        codes = [code_picture(text, symbology, side_px) for text in texts]
        self._page = page(codes)
        self._quiet_px = _quiet_px(codes[0])
        self._front, self._outline = _front(self._page, look)
        self._dirt = _dirt(room, look)

    def shot(self, step: int, slide: float = 0.0) -> Shot:
        """One picture. At ``slide`` 1 the phone is still below the picture, at 0 it is in place."""
        look, room = self._look, self._room
        chance = room.chance(step)
        onto = self._pose(chance, slide)
        size = (room.width, room.height)
        screen = self._front * _bands(self._front.shape, look, step)[:, None]
        light = _float(cv2.warpPerspective(screen, onto, size, flags=cv2.INTER_LINEAR))
        outline = _float(cv2.warpPerspective(self._outline, onto, size, flags=cv2.INTER_LINEAR))
        if look.motion_px >= 1:
            light, outline = (_smeared(each, look.motion_px, chance) for each in (light, outline))
        light = room.light * (1 - outline) + light * outline
        quad = self._corners(onto)
        light = _moire(light, outline, look)
        light = _lit(light, quad, look)
        if look.blur_px:
            light = _float(cv2.GaussianBlur(light, (0, 0), look.blur_px))
        if look.dirt:
            smear = _float(cv2.GaussianBlur(light, (0, 0), 6.0))
            light = light * (1 - self._dirt) + (smear * 0.8 + 40) * self._dirt
        inside = (quad >= 0).all() and (quad[:, 0] < room.width).all() and (quad[:, 1] < room.height).all()
        return Shot(_developed(light, look.noise, chance), bool(inside))

    def _pose(self, chance: np.random.Generator, slide: float) -> Light:
        """The homography from the phone's front to the picture: turned in space, seen by a pinhole camera."""
        look, room = self._look, self._room
        tilt, turn, roll = (
            math.radians(angle + chance.normal(0, 0.3)) for angle in (look.tilt_deg, look.turn_deg, look.roll_deg)
        )
        scale = look.code_px / self._page.shape[1]
        height, width = self._front.shape
        focal = _FOCAL * room.width
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        flat = (corners - (width / 2, height / 2)) * scale
        across = flat[:, 0] * math.cos(roll) - flat[:, 1] * math.sin(roll)
        along = flat[:, 0] * math.sin(roll) + flat[:, 1] * math.cos(roll)
        away = focal + across * math.sin(turn) + along * math.sin(tilt)
        tremor = chance.normal(0, max(0.4, look.motion_px), 2)
        seen_x = room.width / 2 + tremor[0] + focal * across * math.cos(turn) / away
        seen_y = room.height / 2 + tremor[1] + focal * along * math.cos(tilt) / away
        below = room.height - seen_y.min()
        seen = np.stack([seen_x, seen_y + slide * below], axis=1).astype(np.float32)
        return _float(cv2.getPerspectiveTransform(corners, seen))

    def _corners(self, onto: Light) -> Light:
        """Where the corners of all codes, without the quiet zone around them, are in the picture: x and y."""
        side = self._page.shape[0] - 2 * self._quiet_px
        left, top = (self._front.shape[1] - side) / 2, (self._front.shape[0] - side) / 2
        corners = np.array([(left, top), (left + side, top), (left + side, top + side), (left, top + side)], np.float32)
        return _float(cv2.perspectiveTransform(corners[None], onto.astype(np.float64))[0])


def _front(white: Light, look: Look) -> tuple[Light, Light]:
    """The phone's front with the page on its screen, in its own pixels, and its outline as a mask."""
    side = white.shape[0]
    width, height = int(side * 1.16), int(side * 1.9)
    bezel = int(side * 0.04)
    front = np.full((height, width), 18, np.float32)
    front[bezel : height - bezel, bezel : width - bezel] = 236
    left, top = (width - side) // 2, (height - side) // 2
    front[top : top + side, left : left + side] = white
    film = look.film * (0.35 + 0.65 * min(1.0, abs(look.turn_deg) / 30))
    front = front * (look.brightness * (1 - film) * 0.9) + 14
    if look.hand:
        tip = (int(left + side * 0.8), int(top + side * (1.28 - look.hand)))
        axes = (int(side * 0.13), int(side * 0.3))
        front = _float(cv2.ellipse(front, tip, axes, 0, 0, 360, _FINGER, cv2.FILLED, cv2.LINE_AA))
    return front, np.ones_like(front)


def _quiet_px(code: Light) -> int:
    """How wide the white border of a code is."""
    columns = np.flatnonzero((code == 0).any(axis=0))
    return int(columns[0])


def _bands(shape: tuple[int, ...], look: Look, step: int) -> Light:
    rows = np.arange(shape[0], dtype=np.float32) / shape[0]
    wave = 0.5 + 0.5 * np.sin(2 * math.pi * (rows * 7 + step * 0.37))
    return _float(1 - look.banding * 0.6 * wave)


def _smeared(light: Light, way_px: float, chance: np.random.Generator) -> Light:
    length = round(way_px)
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    angle = chance.uniform(0, math.pi)
    reach = (length / 2 * math.cos(angle), length / 2 * math.sin(angle))
    start, end = ((round(length + sign * reach[0]), round(length + sign * reach[1])) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return _float(cv2.filter2D(light, -1, kernel / kernel.sum()))


def _moire(light: Light, outline: Light, look: Look) -> Light:
    """The beat of the screen's grid with the sensor's."""
    if not look.moire:
        return light
    y, x = np.mgrid[0 : light.shape[0], 0 : light.shape[1]].astype(np.float32)
    beat = np.sin(x * 0.61 + y * 0.13) * np.sin(y * 0.57 - x * 0.09)
    return _float(light * (1 + 0.45 * look.moire * beat * outline))


def _lit(light: Light, quad: Light, look: Look) -> Light:
    """A lamp's reflection on the glass, and the sun behind it all."""
    if look.glare:
        middle = quad.mean(axis=0)
        spread = float(np.linalg.norm(quad[1] - quad[0])) * 0.22
        y, x = np.mgrid[0 : light.shape[0], 0 : light.shape[1]].astype(np.float32)
        near = np.exp(-(((x - middle[0] - spread) / spread) ** 2 + ((y - middle[1] - spread) / (0.6 * spread)) ** 2))
        light = light + 400 * look.glare * near
    if look.sun:
        slope = np.linspace(0.4, 1.0, light.shape[1], dtype=np.float32)
        light = light * (1 - 0.6 * look.sun) + 190 * look.sun * slope
    return _float(light)


def _dirt(room: Room, look: Look) -> Light:
    """Where grease on the lens scatters the light, 0–1."""
    chance = room.chance(-1 & 0xFFFF)
    coarse = chance.uniform(0, 1, (7, 12)).astype(np.float32)
    spots = _float(cv2.resize(coarse, (room.width, room.height), interpolation=cv2.INTER_CUBIC))
    return _float(np.clip((spots - 0.45) * 2, 0, 1) * look.dirt)


def _developed(light: Light, noise: float, chance: np.random.Generator) -> Picture:
    """Noise, tint and rounding: what the sensor makes of the light."""
    grain = chance.standard_normal(light.shape, np.float32) * noise
    grey = light + grain
    return np.stack([np.clip(grey * gain, 0, 255).astype(np.uint8) for gain in _TINT], axis=2)


def _float(values: object) -> Light:
    return np.asarray(values, np.float32)
