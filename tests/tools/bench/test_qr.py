"""``onecard bench qr`` counts hits, wrong readings and times as its manifest says."""

from __future__ import annotations

import json
from pathlib import Path

import click
import cv2
import numpy as np
import pytest

from tests.drivers.vision import drawing
from tools.bench.qr import MANIFEST, Row, run

_CORNERS = [300, 150, 500, 150, 500, 350, 300, 350]


def _set_of(directory: Path, *rows: dict[str, object]) -> Path:
    assert cv2.imwrite(str(directory / "code.png"), drawing.on_page(drawing.qr()))
    assert cv2.imwrite(str(directory / "dark.png"), cv2.bitwise_not(drawing.on_page(drawing.qr())))
    assert cv2.imwrite(str(directory / "empty.png"), np.full((240, 320), 99, np.uint8))
    (directory / MANIFEST).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


def test_hits_are_counted_by_text_and_by_corners_and_times_apart(tmp_path: Path) -> None:
    report = run(
        _set_of(
            tmp_path,
            {"image": "code.png", "category": "plain", "texts": [drawing.TEXT], "licence": "drawn"},
            {"image": "dark.png", "category": "plain", "texts": None, "quads": [_CORNERS]},
            {"image": "code.png", "category": "elsewhere", "texts": None, "quads": [[0, 0, 9, 0, 9, 9, 0, 9]]},
            {"image": "empty.png", "category": "none", "texts": []},
        )
    )
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["qr.hits"] == pytest.approx(2 / 3)
    assert figures["qr.wrong"] == 0
    assert {"qr.hit_ms_ratio", "qr.p90_ms", "qr.empty_ms"} <= figures.keys()
    assert {f"qr.{peer}.hits" for peer in ("zxing", "pyzbar", "opencv")} <= figures.keys()
    assert report.conditions["plain"] == "2 / 2 (zxing 2)"
    assert report.conditions["elsewhere"] == "0 / 1 (zxing 0)"


def test_a_text_that_is_not_expected_is_wrong(tmp_path: Path) -> None:
    directory = _set_of(
        tmp_path,
        {"image": "code.png", "texts": [drawing.TEXT]},
        {"image": "code.png", "texts": ["another"]},
        {"image": "code.png", "texts": []},
    )
    figures = {figure.name: figure.value for figure in run(directory).figures}
    assert figures["qr.wrong"] == 2


@pytest.mark.parametrize(("point", "inside"), [((400, 250), True), ((299, 250), False), ((400, 351), False)])
def test_a_hit_by_corners_lies_inside_them(point: tuple[float, float], inside: bool) -> None:
    row = Row.model_validate({"image": "x", "texts": None, "quads": [_CORNERS]})
    assert row.hit([("any", point)]) is inside


def test_a_folder_without_pictures_to_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException):
        run(tmp_path)
    (tmp_path / MANIFEST).write_text('{"image": "empty.png", "texts": []}\n')
    with pytest.raises(click.ClickException):
        run(tmp_path)
