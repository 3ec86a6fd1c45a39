"""Pictures from files, grey, for the commands that look at them."""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np

from agent.words import say, why_en, why_zh
from drivers.vision.api import Gray

FILE_MAX_BYTES = 64 * 1024 * 1024


def load_gray(path: Path) -> Gray:
    """The picture as the sensor saw it: a turn written in EXIF is not applied, so positions fit the file's pixels.

    Raises ``click.ClickException`` with a sentence for what is no picture or too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise click.ClickException(
            say(f"{path}：无法读取（{why_zh(error)}）", f"{path}: cannot be read ({why_en(error)})")
        ) from error
    if not content or len(content) > FILE_MAX_BYTES:
        raise click.ClickException(say(f"{path}：文件为空或过大", f"{path}: is empty or too large"))
    try:
        gray = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:  # it refuses pictures of more than 2^30 pixels by raising
        gray = None
    if gray is None:
        raise click.ClickException(say(f"{path}：不是可识别的图片", f"{path}: is not a picture that can be read"))
    return gray
