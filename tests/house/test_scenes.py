"""A scene is whole: each profile of this package has a preset, a day and a page (CONTRIBUTING, "Add a scene")."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from agent.config import PROFILE_GROUP
from tests.house import ROOT
from tools.cli.presets import preset_text
from tools.days.day import parse_day
from tools.days.play import configuration
from tools.scenes import DAYS, PRESETS, scene_files

PROFILES = sorted(entry.name for entry in entry_points(group=PROFILE_GROUP) if entry.module.startswith("profiles."))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_a_preset_a_day_and_a_page(profile: str) -> None:
    assert profile in scene_files(PRESETS), f"write profiles/presets/{profile}.yaml: a configuration that runs as it is"
    assert f"profile: {profile}\n" in preset_text(profile)
    assert profile in scene_files(DAYS), f"write profiles/days/{profile}.yaml: docs/scenarios.md says how"
    page = ROOT / "docs/profiles" / f"{profile}.md"
    assert page.is_file(), f"write docs/profiles/{profile}.md: flow, settings, reasons, what offline changes"
    assert f"profile: {profile}" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profiles_day_plays_that_profile(profile: str) -> None:
    day = parse_day(scene_files(DAYS)[profile].read_text(encoding="utf-8"), profile)
    played = configuration(day, profile, ROOT).config.lanes.values()
    assert profile in {lane.profile for lane in played}
