"""What the kernel says of flash and of the battery-backed clock, by its files as other machines have them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.tools.doctor.parts import Ward
from tools.doctor.clock import battery
from tools.doctor.disk import wear
from tools.doctor.finding import Finding, Verdict


def flash(well: Ward, root: Path, life_time: str, end_of_life: str) -> Finding:
    """``/sys`` of a machine whose state directory is on a partition of an eMMC."""
    number = well.state_dir.stat().st_dev
    disk = root / "devices/mmcblk0"
    (disk / "device").mkdir(parents=True)
    (disk / "mmcblk0p2").mkdir()
    (disk / "device/life_time").write_text(life_time)
    (disk / "device/pre_eol_info").write_text(end_of_life)
    (root / "dev/block").mkdir(parents=True)
    (root / f"dev/block/{os.major(number)}:{os.minor(number)}").symlink_to(disk / "mmcblk0p2")
    return wear(well.patient(), root)


@pytest.mark.parametrize(
    ("life_time", "end_of_life", "verdict", "fault", "share"),
    [
        ("0x01 0x03\n", "0x01\n", Verdict.OK, "", "30%"),
        ("0x09 0x02\n", "0x01\n", Verdict.WARN, "worn", "90%"),
        ("0x02 0x02\n", "0x02\n", Verdict.WARN, "worn", "20%"),
        ("0x0b 0x01\n", "0x01\n", Verdict.FAIL, "worn-out", "100%"),
        ("0x01 0x01\n", "0x03\n", Verdict.FAIL, "worn-out", "10%"),
    ],
)
def test_flash_is_as_worn_as_it_says(
    well: Ward, tmp_path: Path, life_time: str, end_of_life: str, verdict: Verdict, fault: str, share: str
) -> None:
    found = flash(well, tmp_path / "sys", life_time, end_of_life)
    assert (found.verdict, found.fault) == (verdict, fault)
    assert share in found.said.en


@pytest.mark.parametrize("life_time", ["", "nonsense\n"])
def test_a_disk_that_does_not_tell_is_not_known(well: Ward, tmp_path: Path, life_time: str) -> None:
    assert flash(well, tmp_path / "sys", life_time, "").verdict is Verdict.UNKNOWN
    assert wear(well.patient(), tmp_path / "nothing").verdict is Verdict.UNKNOWN


def rtc(well: Ward, root: Path, since_epoch: str, status: str = "") -> Finding:
    (root / "sys/class/rtc/rtc0").mkdir(parents=True)
    (root / "sys/class/rtc/rtc0/since_epoch").write_text(since_epoch)
    (root / "proc/driver").mkdir(parents=True)
    (root / "proc/driver/rtc").write_text(status)
    return battery(well.patient(), root / "sys", root / "proc", root / "dev")


def test_the_battery_backed_clock_is_held_against_the_machines(well: Ward, tmp_path: Path) -> None:
    now_s = int(time.time())
    assert rtc(well, tmp_path / "a", f"{now_s}\n").verdict is Verdict.OK
    assert rtc(well, tmp_path / "b", f"{now_s - 4000}\n").fault == "apart"
    assert rtc(well, tmp_path / "c", "86\n").fault == "time-lost"  # it began anew in 1970
    assert rtc(well, tmp_path / "d", f"{now_s}\n", "rtc_time\t: 08:00:00\nbatt_status\t: dead\n").fault == "low"
    assert rtc(well, tmp_path / "e", f"{now_s}\n", "batt_status\t: okay\n").verdict is Verdict.OK
    assert battery(well.patient(), tmp_path / "nothing").verdict is Verdict.UNKNOWN
