"""Broken on purpose: seeded, a short form in every run of the tests, a long one by ``make faults``."""

from __future__ import annotations

import os

ROUNDS = int(os.environ.get("ONECARD_FAULT_ROUNDS", "6"))
SEED = int(os.environ.get("ONECARD_FAULT_SEED", "1"))
