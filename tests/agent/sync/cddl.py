"""The contract's CDDL, as a third-party validator reads it."""

from __future__ import annotations

from pathlib import Path

from cddl_verifier import Validator  # type: ignore[import-untyped]  # it ships no types

import agent.sync.contract

PATH = Path(agent.sync.contract.__file__).parent / "contract.cddl"
_CDDL = Validator(PATH)


def told(rule: str, payload: bytes) -> str:
    """What the shipped CDDL has against ``payload`` as ``rule``; nothing if it is valid."""
    result = _CDDL.validate(payload, root_type=rule)
    return "" if result.valid else str(result.diagnostics)
