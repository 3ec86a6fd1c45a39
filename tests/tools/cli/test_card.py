"""``onecard card show`` tells what a lane learns from a card, also from one that a lane at work has read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.scenarios.site import Site, gate


def card_show(site: Site) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "agent", "card", "show", "--config", str(site.config), "--wait", "20"]
    return subprocess.run(
        [*command, "--json"], capture_output=True, text=True, timeout=60, env=os.environ | {"ONECARD_LANG": "en"}
    )


def test_a_card_that_lies_in_a_lane_at_work_is_shown_and_opens_nothing_a_second_time(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        site.insert("gen2-li", "pcsc-0")
        site.expect("decision", reason="granted")
        shown = card_show(site)
        assert shown.returncode == 0, shown.stderr
        (decision,) = [record for record in site.records() if record.entry.reason == "granted"]
        assert json.loads(shown.stdout)["medium"] == (decision.entry.medium or b"").hex()
        site.remove("pcsc-0")
        site.expect("removed")
        assert site.reasons().count("granted") == 1
