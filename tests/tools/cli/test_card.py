"""``onecard card show`` tells what a lane learns from a card, also from one that a lane at work has read."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.scenarios.site import Site, gate
from tests.tools.cli import in_process


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


def test_a_serial_reader_that_somebody_holds_is_told_with_what_to_do(tmp_path: Path) -> None:
    ours, port = os.openpty()
    try:
        fcntl.flock(port, fcntl.LOCK_EX)  # as whoever opens a serial reader does
        name = os.ttyname(port)
        asked = ("--preset", "gate", "--set", f"devices.card-field.port={name}", "--reader", "card-field")
        environment = {"ONECARD_LANG": "en", "XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
        done = in_process.onecard(tmp_path, "card", "show", *asked, environment=environment)
    finally:
        os.close(ours)
        os.close(port)
    assert done.exit_code == 1
    held = f"card-field: another program holds the device ({name} (EAGAIN))"
    assert done.err == f"Error: {held}; stop the terminal before, or name a PC/SC reader by --reader\n"
