"""Broken on purpose: seeded, a short form in every run of the tests, a long one by ``make faults``."""

from __future__ import annotations

import os

SHORT_ROUNDS = 6
ROUNDS = int(os.environ.get("ONECARD_FAULT_ROUNDS", SHORT_ROUNDS))
SEED = int(os.environ.get("ONECARD_FAULT_SEED", "1"))
