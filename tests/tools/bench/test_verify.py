"""``onecard bench verify``: every algorithm is measured beside its bare checks."""

from __future__ import annotations

import pytest

from tools.bench import verify


def test_every_algorithm_has_its_ratio() -> None:
    report = verify.run(codes=5, rounds=2)
    figures = {figure.name: figure for figure in report.figures}
    for name in ("es256", "ed25519", "sm2"):
        ratio = figures[f"verify.{name}.ratio"]
        full_us, bare_us = figures[f"verify.{name}.full_us"].value, figures[f"verify.{name}.bare_us"].value
        assert ratio.value == pytest.approx(full_us / bare_us)
        assert ratio.target == 1.5
        assert bare_us > 0
