"""Sentences that people at the terminal read: Chinese and English, chosen by locale."""

from __future__ import annotations

import os

_LOCALE_VARIABLES = ("ONECARD_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


def language() -> str:
    """``zh`` or ``en``: the first locale variable that is set decides (POSIX XBD §8.2), ``ONECARD_LANG`` before all."""
    for name in _LOCALE_VARIABLES:
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def say(zh: str, en: str) -> str:
    """The sentence in the reader's language."""
    return zh if language() == "zh" else en
