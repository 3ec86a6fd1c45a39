"""Rooms stay small: what does not fit on a screen or two asks for a better cut."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house import PACKAGES, ROOT

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70


def _files() -> list[Path]:
    return [file for name in (*PACKAGES, "tests") for file in sorted((ROOT / name).rglob("*.py"))]


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in _files()}
    assert len(lengths) > 500, "the house was not found"
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_is_longer_than_seventy_lines(package: str) -> None:
    long = {}
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long[f"{file.relative_to(ROOT)}:{node.name}"] = lines
    assert long == {}
