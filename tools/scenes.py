"""What belongs to a scene beside its code: presets and days, in folders beside the profile's module.

For ``gate = profiles.gate:Gate`` these are ``profiles/presets/`` and ``profiles/days/``; a profile of another package
brings its own.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable

from agent.config import PROFILE_GROUP

PRESETS = "presets"
DAYS = "days"
_SUFFIX = ".yaml"


def scene_files(folder: str) -> dict[str, Traversable]:
    """Every YAML file of this folder, of all installed profiles, by name and sorted."""
    packages = sorted({entry.module.rpartition(".")[0] or entry.module for entry in entry_points(group=PROFILE_GROUP)})
    found: dict[str, Traversable] = {}
    for package in packages:
        directory = files(package).joinpath(folder)
        if directory.is_dir():
            for file in directory.iterdir():
                if file.name.endswith(_SUFFIX):
                    found.setdefault(file.name.removesuffix(_SUFFIX), file)
    return dict(sorted(found.items()))
