"""Draws a code as a QR symbol: level M, alphanumeric mode, as docs/code-format.md asks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.words import say, why_en, why_zh

if TYPE_CHECKING:
    import segno

_QUIET_MODULES = 4
_PIXELS_A_MODULE = 8


def symbol(text: str) -> segno.QRCode:
    """The smallest symbol that holds the text."""
    import segno

    try:
        return segno.make_qr(text, error="m", mode="alphanumeric", boost_error=False)
    except ValueError as error:  # segno's DataOverflowError included
        raise click.ClickException(
            say("这段文字放不进 QR 字母数字模式的二维码", "the text does not fit a QR symbol in alphanumeric mode")
        ) from error


def draw(text: str, *, png: Path | None, svg: Path | None, terminal: bool) -> segno.QRCode:
    """Write the pictures that are asked for, and say which symbol it is."""
    code = symbol(text)
    try:
        if png is not None:
            code.save(str(png), kind="png", scale=_PIXELS_A_MODULE, border=_QUIET_MODULES)
        if svg is not None:
            code.save(str(svg), kind="svg", scale=_PIXELS_A_MODULE, border=_QUIET_MODULES)
    except OSError as error:
        raise click.ClickException(
            say(
                f"{error.filename}：无法写入（{why_zh(error)}）",
                f"{error.filename}: cannot be written ({why_en(error)})",
            )
        ) from error
    if terminal:
        code.terminal(compact=True, border=_QUIET_MODULES)
    return code
