"""The platform's keys in force, as the disk says: of the ``keys`` bundle once there was one, else of the enrolment.

The ``keys`` bundle stands twice: in its file, and in the store, saved with the record that installed it. Were both
gone, nobody is believed any more: to fall back to the enrolment would believe again whoever was revoked since.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from agent.bundles.errors import BundleError
from agent.bundles.manifest import Kind, Manifest
from agent.bundles.roles import Rings, enrolled_rings, rings_of
from agent.keys import KeyStore
from agent.sync.contract.errors import ContractError
from offline_store.bundles import installed
from offline_store.saved import saved_value

SAVED_KEYS = "bundle/keys"
NOBODY: Rings = {}


def rings_on_disk(state_dir: Path, keys: KeyStore) -> Rings:
    """The rings in force; waits for the disk. Raises ``StoreError``."""
    row = next((row for row in installed(state_dir) if row.name == Kind.KEYS.value), None)
    if row is None:
        return enrolled_rings(keys)
    content = saved_keys(state_dir, row.manifest)
    return NOBODY if content is None else rings_of(content)


def saved_keys(state_dir: Path, manifest: bytes) -> bytes | None:
    """The store's copy of the installed ``keys`` bundle, if it is what was signed. Raises ``StoreError``."""
    content = saved_value(state_dir, SAVED_KEYS)
    try:
        wanted = Manifest.decode(manifest).content_sha256
        if content is None or hashlib.sha256(content).digest() != wanted:
            return None
        rings_of(content)
    except (ContractError, BundleError):
        return None
    return content
