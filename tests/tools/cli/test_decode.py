"""``onecard decode``: text, symbology, position and time of what pictures show; one sentence for what is no picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp

from drivers.vision.api import Gray
from tests.drivers.vision import drawing
from tests.tools.cli.test_commands import onecard


def _save(path: Path, picture: Gray) -> str:
    assert cv2.imwrite(str(path), picture)
    return str(path)


def test_each_picture_is_one_line_of_json(tmp_path: Path) -> None:
    code = _save(tmp_path / "code.png", drawing.on_page(drawing.qr()))
    page = drawing.linear(zxingcpp.BarcodeFormat.EAN13, "9787302511854")
    book = _save(tmp_path / "book.jpg", page)
    blank = _save(tmp_path / "blank.png", np.full((90, 90), 200, np.uint8))
    done = onecard(tmp_path, "decode", code, book, blank, "--linear", "--json")
    assert done.exit_code == 0, done.err
    first, second, third = (json.loads(line) for line in done.out.splitlines())
    assert [(one["text"], one["symbology"]) for one in first["symbols"]] == [(drawing.TEXT, "qr")]
    assert [(one["text"], one["symbology"]) for one in second["symbols"]] == [("9787302511854", "ean-13")]
    assert np.array(first["symbols"][0]["quad"]).shape == (4, 2)
    assert (third["symbols"], third["located"], third["stage"]) == ([], [], "")
    assert first["ms"] > 0


@pytest.mark.parametrize(("lang", "words"), [("en", "not read"), ("zh", "无法识读")])
def test_a_code_that_was_only_found_is_told_in_words(tmp_path: Path, lang: str, words: str) -> None:
    path = _save(tmp_path / "damaged.png", drawing.on_page(drawing.damaged()))
    assert words in onecard(tmp_path, "decode", path, lang=lang).out


def test_a_text_cannot_steer_the_terminal_that_shows_it(tmp_path: Path) -> None:
    path = _save(tmp_path / "escape.png", drawing.on_page(drawing.qr("\x1b[2Jgone", 6)))
    assert "\\x1b[2Jgone" in onecard(tmp_path, "decode", path).out


@pytest.mark.parametrize(
    ("content", "en"), [(None, "cannot be read"), (b"", "is empty"), (b"no picture", "is not a picture")]
)
def test_what_is_no_picture_is_one_sentence(tmp_path: Path, content: bytes | None, en: str) -> None:
    path = tmp_path / "file.png"
    if content is not None:
        path.write_bytes(content)
    done = onecard(tmp_path, "decode", str(path))
    assert done.exit_code == 1
    assert en in done.err
    assert "Traceback" not in done.err
