"""The house itself: its lock, its import rules, its wheel and its front page."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "drivers", "offline_store", "profiles", "tools")
