"""The lists that a terminal holds, read beside it: nothing is written, and it may be running."""

from __future__ import annotations

from pathlib import Path

from agent import cose
from agent.bundles.contents import Opener, snapshot
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.install import Shelf
from agent.bundles.manifest import Manifest
from agent.composition import keys_dir
from agent.credentials.lists import Lists
from agent.keys import FileKeyStore
from agent.sync.contract.errors import ContractError
from offline_store.bundles import installed


def installed_lists(state_dir: Path) -> Lists:
    """All of them as one snapshot. Raises ``StoreError``, ``KeyStoreError`` and :class:`BundleError`."""
    keys = FileKeyStore(keys_dir(state_dir))
    opener = Opener(cose.key_id(keys.sealing_public()), keys.unseal)
    shelf = Shelf(state_dir)
    contents = {}
    for row in installed(state_dir):
        try:
            manifest = Manifest.decode(row.manifest)
        except ContractError as error:
            raise BundleError(BundleFault.MANIFEST, error) from error
        contents[row.name] = manifest, shelf.open(manifest, opener)
    return snapshot(contents)
