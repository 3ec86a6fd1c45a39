"""Faults that a person at the command line can meet, as sentences in their language."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from agent.bundles.errors import BundleError
from agent.config import ConfigError
from agent.keys import KeyStoreError
from agent.problems import problems_of
from agent.signatures import KeyInvalid
from agent.sm2 import Sm2Unavailable
from agent.stick_files import StickError
from agent.sync.faults import LinkError
from agent.words import say, tell
from drivers.api import DriverError
from offline_store.errors import StoreError
from tools.platform.errors import PlatformError

EXPECTED = (
    BundleError,
    ConfigError,
    DriverError,
    KeyInvalid,
    KeyStoreError,
    LinkError,
    PlatformError,
    Sm2Unavailable,
    StickError,
    StoreError,
    ValidationError,
)


def sentence_of(error: BaseException) -> str:
    """What happened, and what would be right."""
    if isinstance(error, DriverError):
        return say(f"{error.fault.zh}：{error.detail}" if error.detail else error.fault.zh, str(error))
    if isinstance(error, ValidationError):
        return "\n".join(map(str, problems_of(error, model=BaseModel)))
    if isinstance(error, KeyInvalid):
        return say(f"密钥无效：{error}", str(error))
    if isinstance(error, BundleError | KeyStoreError | LinkError | StickError | StoreError):
        return tell(error)
    return str(error)
