"""``onecard decode``: what the terminal's camera would read in these pictures, where, and how fast."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from agent.words import say
from drivers.vision.api import Problem, Quad, Sight, Symbology, still
from tools.pictures import load_gray

_NS_PER_MS = 1_000_000
_PROBLEMS = {
    Problem.SMALL: ("太小，请靠近", "too small, closer please"),
    Problem.CUT: ("超出画面", "cut off by the frame"),
    Problem.UNREAD: ("找到但无法识读", "found, and not read"),
}


@click.command(help=say("按摄像头的方式识读图片中的码", "Read the codes in pictures, as the camera does"))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar=say("图片…", "IMAGE…"))
@click.option("--linear", is_flag=True, help=say("也识读一维条码", "Read linear barcodes too"))
@click.option("--json", "as_json", is_flag=True, help=say("每张图片输出一行 JSON", "Print one line of JSON a picture"))
def decode(images: tuple[Path, ...], linear: bool, as_json: bool) -> None:
    """Tell text, symbology and position of each code, and the milliseconds that the picture took."""
    symbologies = tuple(Symbology) if linear else (Symbology.QR,)
    for number, path in enumerate(images):
        gray = load_gray(path)
        if number == 0:
            still(gray, symbologies)  # the first call of each library sets it up; that is not a decode's time
        started_ns = time.monotonic_ns()
        sight = still(gray, symbologies)
        ms = (time.monotonic_ns() - started_ns) / _NS_PER_MS
        click.echo(json.dumps(_facts(path, sight, ms), ensure_ascii=False) if as_json else _words(path, sight, ms))


def _facts(path: Path, sight: Sight, ms: float) -> dict[str, object]:
    return {
        "image": str(path),
        "ms": round(ms, 3),
        "stage": sight.stage,
        "symbols": [
            {"text": one.text, "symbology": one.symbology.value, "quad": _rounded(one.quad)} for one in sight.symbols
        ],
        "located": [{"problem": one.problem.value, "quad": _rounded(one.quad)} for one in sight.located],
    }


def _words(path: Path, sight: Sight, ms: float) -> str:
    how = f" ({sight.stage})" if sight.stage else ""
    lines = [f"{path}  {ms:.1f} ms{how}"]
    for symbol in sight.symbols:
        text = symbol.text if symbol.text.isprintable() else repr(symbol.text)[1:-1]  # no control codes to a terminal
        lines.append(f"  {symbol.symbology.value}  {_corners(symbol.quad)}  {text}")
    lines += [f"  {say(*_PROBLEMS[one.problem])}  {_corners(one.quad)}" for one in sight.located]
    if not sight.symbols and not sight.located:
        lines.append(say("  没有码", "  no code"))
    return "\n".join(lines)


def _rounded(quad: Quad) -> list[list[float]]:
    return [[round(x, 1), round(y, 1)] for x, y in quad]


def _corners(quad: Quad) -> str:
    return " ".join(f"{x:.0f},{y:.0f}" for x, y in quad)
