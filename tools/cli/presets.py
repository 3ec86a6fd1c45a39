"""Presets: whole configurations that run as they stand, on virtual devices."""

from __future__ import annotations

from importlib.resources import files

_FOLDER = files("profiles.presets")


def preset_names() -> list[str]:
    """All presets, sorted."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _FOLDER.iterdir() if entry.name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """The YAML text of a preset. Raises ``FileNotFoundError``."""
    return _FOLDER.joinpath(f"{name}.yaml").read_text(encoding="utf-8")
