"""Who is in a passage, told by two light beams across it.

The *outer* beam stands where people come in, the *inner* one where they have come in; so close (30 cm at most) that a
body breaks both on its way. ``near`` is the beam that a walker breaks first, ``far`` the other one.

============ ============= =============== ============ =====================
phase        near broken   near clear      far broken   far clear
============ ============= =============== ============ =====================
nobody       → near        –               → near       –
                                           (other way)
near         –             **turned back** → both       –
both         –             → far           –            → near (steps back)
far          → followed    –               –            **passed**
followed     –             → far           –            **passed**, → near:
                                                        the follower is there
============ ============= =============== ============ =====================

Two people who walk as one body are one. A beam that flickers makes nobody pass: that takes both, one after the other.
Whoever steps back when he has cleared the near beam already looks like one with a follower, and counts as passed.
"""

from __future__ import annotations

from enum import Enum, StrEnum

from pydantic import BaseModel, ConfigDict

from profiles.direction import Direction


class Beam(Enum):
    """One of the two."""

    OUTER = Direction.IN
    """Its value is the way of whoever breaks it first."""
    INNER = Direction.OUT


class Phase(StrEnum):
    """How far a walker is."""

    NEAR = "near"
    BOTH = "both"
    FAR = "far"
    FOLLOWED = "followed"


class Walk(BaseModel):
    """Somebody in the passage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    direction: Direction
    phase: Phase = Phase.NEAR


class Happened(StrEnum):
    """What a beam tells beyond a next phase."""

    TURNED_BACK = "turned-back"
    PASSED = "passed"


def beam_changed(walk: Walk | None, beam: Beam, broken: bool) -> tuple[Walk | None, Happened | None]:
    """The walk after a beam was broken or cleared, and what the walker of before has done by it."""
    if walk is None:
        return (Walk(direction=beam.value) if broken else None), None
    is_near = beam.value is walk.direction
    match walk.phase, is_near, broken:
        case Phase.NEAR, True, False:
            return None, Happened.TURNED_BACK
        case Phase.NEAR, False, True:
            return _at(walk, Phase.BOTH), None
        case Phase.BOTH, True, False:
            return _at(walk, Phase.FAR), None
        case Phase.BOTH, False, False:
            return _at(walk, Phase.NEAR), None
        case Phase.FAR, True, True:
            return _at(walk, Phase.FOLLOWED), None
        case Phase.FAR, False, False:
            return None, Happened.PASSED
        case Phase.FOLLOWED, True, False:
            return _at(walk, Phase.FAR), None
        case Phase.FOLLOWED, False, False:
            return _at(walk, Phase.NEAR), Happened.PASSED
    return walk, None


def _at(walk: Walk, phase: Phase) -> Walk:
    return Walk(direction=walk.direction, phase=phase)
