"""What is known of the platform's configurations: the one that was kept, the one on trial, the one withdrawn last."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from profiles.reasons import Sentence

MAX_STARTS = 3
"""So often is a configuration on trial begun with; a terminal that ends before the trial does is not helped by it."""

Version = Annotated[int, Field(ge=1, lt=2**53)]
Digest = Annotated[str, Field(min_length=64, max_length=64)]


class Why(StrEnum):
    """Why a configuration of the platform is not in force."""

    INVALID = "invalid"
    PLATFORM_LOST = "platform-lost"
    DEVICES_LOST = "devices-lost"
    RESTARTS = "restarts"
    DAMAGED = "damaged"

    @property
    def sentence(self) -> Sentence:
        """The same for people."""
        return _SENTENCES[self]


_SENTENCES = {
    Why.INVALID: Sentence("配置不适用于本终端或本版本软件", "it does not fit this terminal or this software"),
    Why.PLATFORM_LOST: Sentence("试用期间联系不上平台", "the platform was lost while it was on trial"),
    Why.DEVICES_LOST: Sentence("试用期间读卡器或继电器板没有应答", "readers or boards were lost while it was on trial"),
    Why.RESTARTS: Sentence("试用期间终端一再重启", "the terminal ended again and again while it was on trial"),
    Why.DAMAGED: Sentence("所存的配置文件损坏", "its file was damaged"),
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Issue(_Model):
    """One configuration of the platform."""

    version: Version
    sha256: Digest


class Trial(_Model):
    """One that has to prove itself. ``excused`` are parts that were not well before it began."""

    issue: Issue
    starts: Annotated[int, Field(ge=0, le=MAX_STARTS)] = 0
    excused: frozenset[str] = frozenset()


class Withdrawn(_Model):
    """The latest one that did not prove itself; ``at`` is the key path of what is wrong with an invalid one."""

    version: Version
    why: Why
    at: Annotated[str, Field(max_length=200)] = ""


class Standing(_Model):
    """All that is known. ``kept`` absent: the terminal's own file is in force."""

    kept: Issue | None = None
    trial: Trial | None = None
    withdrawn: Withdrawn | None = None
    told: bool = True
    """Whether the journal has the latest change."""

    @property
    def latest(self) -> int:
        """The newest version that was ever tried; 0 if none was."""
        tried = None if self.trial is None else self.trial.issue
        return max((each.version for each in (self.kept, self.withdrawn, tried) if each is not None), default=0)

    def begun(self, issue: Issue, excused: frozenset[str]) -> Standing:
        """The same with a trial that begins at the next start."""
        return self.model_copy(update={"trial": Trial(issue=issue, excused=excused)})

    def counted(self, trial: Trial) -> Standing:
        """The same with one more start of the trial."""
        return self.model_copy(update={"trial": trial.model_copy(update={"starts": trial.starts + 1})})

    def proven(self, trial: Trial) -> Standing:
        """What is on trial is in force from now on."""
        return Standing(kept=trial.issue, withdrawn=self.withdrawn, told=False)

    def without(self, version: int, why: Why, at: str = "") -> Standing:
        """A version is withdrawn; the last good one is in force."""
        withdrawn = Withdrawn(version=version, why=why, at=at[:200])
        return Standing(kept=self.kept, withdrawn=withdrawn, told=False)
