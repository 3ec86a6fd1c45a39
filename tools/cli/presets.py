"""Presets: whole configurations that run as they stand, on virtual devices."""

from __future__ import annotations

from tools.scenes import PRESETS, scene_files


def preset_names() -> list[str]:
    """All presets, sorted."""
    return list(scene_files(PRESETS))


def preset_text(name: str) -> str:
    """The YAML text of a preset. Raises ``FileNotFoundError``."""
    file = scene_files(PRESETS).get(name)
    if file is None:
        raise FileNotFoundError(name)
    return file.read_text(encoding="utf-8")
