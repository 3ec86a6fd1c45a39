"""Kinds of journal records that the terminal itself writes, beside those of profiles."""

from __future__ import annotations

CONTEXT = "context"
"""What decisions go by from here on: software, configuration, bundles."""
