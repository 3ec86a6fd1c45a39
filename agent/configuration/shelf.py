"""Which configuration is in force and which is on trial, on the disk: no power cut leaves it in doubt.

``<state>/configuration/standing.json`` names versions by number and SHA-256, ``<version>.yaml`` beside it holds the
text. A text is durable before the standing names it, and the standing is exchanged by one rename. Whatever of it is
damaged does not count: the terminal's own file goes on in its place.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from agent.configuration.standing import Issue, Standing
from agent.logs import log
from agent.words import say, why_en, why_zh
from agent.yaml_file import MAX_SIZE_BYTES
from offline_store.whole_file import replace_whole

DIRECTORY = "configuration"
_STANDING = "standing.json"
_MAX_STANDING_BYTES = 64 * 1024


class TextDamaged(Exception):
    """A configuration's text is gone, or is not what was signed."""


class Shelf:
    """The directory. One process writes it: the one that holds, or is about to take, the journal's lock."""

    def __init__(self, state_dir: Path) -> None:
        self.directory = state_dir / DIRECTORY

    def read(self) -> Standing:
        """What stands there; nothing, with a word in the log, where it cannot be read."""
        path = self.directory / _STANDING
        try:
            with path.open("rb") as file:
                return Standing.model_validate_json(file.read(_MAX_STANDING_BYTES))
        except FileNotFoundError:
            return Standing()
        except OSError as error:
            log().error("configuration's standing is lost", path=str(path), detail=say(why_zh(error), why_en(error)))
        except ValidationError:
            log().error("configuration's standing is lost", path=str(path), detail=say("内容损坏", "it is damaged"))
        return Standing()

    def write(self, standing: Standing) -> None:
        """Durable on return; texts that it does not name go, and drafts that a power cut left. Raises ``OSError``."""
        self._put(_STANDING, standing.model_dump_json().encode())
        named = {self._name(each.version) for each in (standing.kept, standing.trial and standing.trial.issue) if each}
        for path in (*self.directory.glob("*.yaml"), *self.directory.glob(".*")):
            if path.name not in named:
                path.unlink(missing_ok=True)

    def keep(self, version: int, text: str) -> Issue:
        """Write a text, durable on return; nothing names it yet. Raises ``OSError``."""
        content = text.encode()
        self._put(self._name(version), content)
        return Issue(version=version, sha256=hashlib.sha256(content).hexdigest())

    def text(self, issue: Issue) -> str:
        """What was signed. Raises :class:`TextDamaged`."""
        try:
            with (self.directory / self._name(issue.version)).open("rb") as file:
                content = file.read(MAX_SIZE_BYTES + 1)
        except OSError as error:
            raise TextDamaged from error
        if hashlib.sha256(content).hexdigest() != issue.sha256:
            raise TextDamaged
        return content.decode()

    @staticmethod
    def _name(version: int) -> str:
        return f"{version}.yaml"

    def _put(self, name: str, content: bytes) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_whole(self.directory / name, content)
