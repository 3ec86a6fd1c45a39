"""A turnstile as its users have it: what they do, what opens, what is recorded."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from tests.scenarios.site import Site, preset
from tools.cli.main import cli


def walk(site: Site, *way: str) -> None:
    result = CliRunner().invoke(cli, ["virtual", "walk", *way, "--terminal", site.terminal_id])
    assert result.exit_code == 0, result.output


def test_people_come_in_are_counted_and_go_out_and_whoever_follows_is_an_alarm(tmp_path: Path) -> None:
    with preset(tmp_path, "turnstile", double_tap_ms=0, passage_timeout_ms=120_000, tailgate_ms=30_000) as site:
        site.insert("gen3-chen", "pn532")
        site.expect("decision", reason="granted")
        walk(site, "in", "--back")
        walk(site, "in")
        site.expect("outcome", reason="passed")
        walk(site, "in")
        site.expect("alarm", reason="tailgate")
        site.remove("pn532")
        site.expect("removed")
        site.insert("gen3-chen", "pn532")
        site.expect("decision", reason="still-inside")
        site.insert("gen2-li", "pcsc-0")
        site.expect("decision", reason="granted")
        walk(site, "out")
        site.expect("outcome", reason="passed")
        site.press("area-reset", active=True)
        site.expect("alarm", reason="area-reset")
        site.press("fire", active=True)
        site.expect_relay("entry", on=True)
        site.expect_relay("exit", on=True)
        site.expect("life-safety", reason="fire")
        assert site.reasons() == [
            "granted", "passed", "tailgate", "still-inside", "granted", "passed", "area-reset", "fire",
        ]  # fmt: skip
        inside = [record.entry.public.get("inside") for record in site.records() if record.entry.reason == "passed"]
        assert inside == [1, 1]
        assert [change.output for change in site.relay().history if change.on][:2] == ["entry", "exit"]
