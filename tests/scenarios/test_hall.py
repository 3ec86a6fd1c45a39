"""A service hall as its users have it: a number on paper, and an identity that the counter's software gets once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from drivers.virtual.bench import Press
from drivers.virtual.place import virtual_dir
from tests.scenarios.site import DEADLINE_S, preset


def test_a_card_becomes_a_number_and_then_an_identity_once(tmp_path: Path) -> None:
    with preset(tmp_path, "hall") as hall:
        hall.devices.ask(Press(amount="1"))
        hall.expect("show", zh="政策咨询：请放卡或出示码")
        hall.insert("gen3-chen")
        hall.expect("show", zh="您的号码 A001，前面 0 人，请等候叫号")
        hall.remove()
        command = [sys.executable, "-P", "-m", "agent", "counter", "take", "--config", str(hall.config)]
        software = subprocess.Popen([*command, "--wait", "60"], stdout=subprocess.PIPE, text=True)
        hall.devices.ask(Press(amount="n", keypad="keypad-2"))
        hall.expect("show", zh="请 A001 号到 1 号窗口")
        hall.insert("gen3-chen", "pcsc-0")
        told, _ = software.communicate(timeout=DEADLINE_S)
        hall.expect("show", zh="1 号窗口已收到，请说明您的事项")
        identity = json.loads(told)
        assert (identity["matter"], identity["ticket"], identity["assurance"]) == ("advice", "A001", "read")
        assert hall.reasons()[-5:] == ["ticket", "ticket-called", "identified", "handed-over", "handover-confirmed"]
        again = subprocess.run([*command, "--wait", "0"], capture_output=True, text=True, timeout=60, check=False)
        assert (again.returncode, again.stdout) == (1, "")
        slip = (virtual_dir(hall.terminal_id) / "paper.txt").read_text(encoding="utf-8")
        assert slip.splitlines()[:2] == ["政策咨询  Advice", "A001"]
        identified = next(record for record in hall.records() if record.entry.reason == "identified")
        assert identified.entry.subject is not None
        assert identity["subject"] == identified.entry.subject[1].hex()
    assert not virtual_dir(hall.terminal_id).exists()


def test_a_screen_shows_what_the_lane_says_and_is_empty_afterwards(tmp_path: Path) -> None:
    with preset(tmp_path, "subsidy") as site:
        site.insert("gen2-li", "pcsc-0")
        site.expect("show", zh="此处需要更安全的凭证，请出示电子市民码")
        screen = virtual_dir(site.terminal_id) / "screen.txt"
        while "请出示电子市民码" not in screen.read_text(encoding="utf-8"):
            assert site.terminal.wait_for(lambda _line: False, 0.05) is None
        assert site.terminal.stop() == 0
        assert screen.read_bytes() == b""
