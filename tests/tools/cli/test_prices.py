"""``onecard trust price-list`` and ``trust tariff``: from a file that people write to what terminals charge by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.agent.bundles.parts import BUNDLE, NOW_MS, Terminal, private_pem, tariff
from tools.cli.main import cli

AT = "2026-11-23T11:00:00+08:00"
ITEM = 'items:\n  - {code: "1", zh: 米饭, en: Rice, price_fen: 100}\n'


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal's bundles on a store of its own."""
    terminal = Terminal(tmp_path / "state")
    yield terminal
    terminal.stop()


def build(home: Path, command: str, text: str, lang: str = "en") -> Result:
    (home / "bundle.pem").write_bytes(private_pem(BUNDLE.key))
    (home / "prices.yaml").write_text(text, encoding="utf-8")
    arguments = ["trust", command, str(home / "prices.yaml"), "--name", "canteen-1", "--key", str(home / "bundle.pem")]
    out = ["--version", "3", "--at", AT, "-o", str(home / "made.bundle"), "--days", "60"]
    return CliRunner().invoke(cli, [*arguments, *out], env={"ONECARD_LANG": lang})


async def test_a_price_list_goes_from_its_file_into_force(terminal: Terminal, tmp_path: Path) -> None:
    done = build(tmp_path, "price-list", ITEM + '  - {code: "20", zh: 自选, en: Buffet, price_fen: 3600, per: kg}\n')
    assert done.exit_code == 0, done.output
    assert "price list" in done.stdout
    await terminal.install((tmp_path / "made.bundle").read_bytes())
    held = terminal.bundles.lists.current().prices("canteen-1", NOW_MS)
    assert held is not None
    assert (held.version, held.items["1"].price_fen, held.items["20"].cost_fen(350)) == (3, 100, 1_260)


async def test_a_tariff_goes_from_its_file_into_force(terminal: Terminal, tmp_path: Path) -> None:
    assert build(tmp_path, "tariff", json.dumps(tariff(percent=10))).exit_code == 0
    await terminal.install((tmp_path / "made.bundle").read_bytes())
    held = terminal.bundles.lists.current().tariff("canteen-1", NOW_MS)
    assert held is not None
    assert [held.promotion(1_000, frozenset(whose), NOW_MS) is not None for whose in ((), ("elder",))] == [False, True]


@pytest.mark.parametrize(
    ("command", "text", "en", "zh"),
    [
        ("price-list", ITEM * 2, "stands here for the second time", "重复"),
        ("price-list", ITEM + ITEM.removeprefix("items:\n"), "1: stands there twice", "1：重复出现"),
        ("price-list", ITEM.replace("100", "-100"), "items.0.price_fen: should be at least 1", "应不小于 1"),
        ("price-list", ITEM.replace("100", "1" + "0" * 30), "items.0.price_fen: should be at most", "应不大于"),
        ("price-list", ITEM.replace("100", "1.5"), "items.0.price_fen: should be a whole number", "应为整数"),
        ("price-list", ITEM.replace('"1"', "1"), "items.0.code: should be text", "应为文字"),
        ("price-list", ITEM.replace('"1"', '"A1"'), "items.0.code: should be 1 to 14 digits", "1 至 14 位数字"),
        ("price-list", "items: []", "items: needs at least 1", "至少需要 1 项"),
        ("price-list", "- 1", "should be a group of keys", "应为一组键值"),
        ("price-list", ITEM.replace("米饭", "饭" * 33), "items.0.zh: is too long", "太长"),
        ("tariff", json.dumps(tariff(**{"from": "2026-02-30 00:00"})), "of a day that exists", "日期存在"),
        ("tariff", json.dumps(tariff(until="2026-11-01 00:00")), "elder: it ends before it begins", "结束时间应晚于"),
        ("tariff", json.dumps(tariff(percent=0)), "elder: a discount is either", "elder：优惠应为"),
        ("tariff", json.dumps(tariff(percent=100)), "promotions.0.percent: should be at most 99", "应不大于 99"),
        (
            "tariff",
            "steps: [{id: a, from: 2026-11-01}]",
            "steps.0.from: should be a time in quotes",
            "应为带引号的时间",
        ),
        (
            "tariff",
            'pairs: [{id: m, from: "2026-11-01", until: "2026-12-01", both_ways: true, rows: [[a, b, 1], [b, a, 2]]}]',
            "there are two rows from b to a",
            "b 到 a 有两行",
        ),
    ],
)
def test_what_cannot_be_charged_is_named_by_its_place_and_no_bundle_is_made(
    command: str, text: str, en: str, zh: str, tmp_path: Path
) -> None:
    for lang, told in (("en", en), ("zh", zh)):
        done = build(tmp_path, command, text, lang)
        assert done.exit_code == 1
        assert told in done.stderr + str(done.exception)
        assert not (tmp_path / "made.bundle").exists()
