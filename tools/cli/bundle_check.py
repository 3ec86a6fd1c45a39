"""A bundle judged as a terminal would, without installing it: every check but those of the version floor."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from agent import cose
from agent.bundles.check import Place, check
from agent.bundles.contents import Opener
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.install import Shelf, envelope_of
from agent.bundles.manifest import Manifest
from agent.bundles.rings import rings_on_disk
from agent.bundles.roles import Signatory
from agent.clock import Moment
from agent.composition import keys_dir
from agent.keys import FileKeyStore
from agent.sync.contract.errors import ContractError
from offline_store.bundles import installed


def judged(file: Path, state_dir: Path, place: Place, moment: Moment) -> Manifest:
    """The manifest of a bundle that this terminal could install; a delta is applied to the base that is installed.

    Raises ``BundleError``, ``KeyStoreError`` and ``OSError``.
    """
    keys = FileKeyStore(keys_dir(state_dir))
    manifest = check(envelope_of(file), Signatory(rings_on_disk(state_dir, keys)), place, {}, moment)
    opener = Opener(cose.key_id(keys.sealing_public()), keys.unseal)
    with TemporaryDirectory(prefix="onecard-verify-") as scratch:
        shelf = Shelf(Path(scratch))
        shelf.make()
        base = None if manifest.previous_version is None else _base(state_dir, manifest, shelf)
        shelf.stage(file, manifest, base, opener)
    return manifest


def _base(state_dir: Path, manifest: Manifest, scratch: Shelf) -> Manifest:
    row = next((row for row in installed(state_dir) if row.name == manifest.name), None)
    if row is None or row.version != manifest.previous_version:
        raise BundleError(BundleFault.WRONG_BASE, f"{manifest.name} {manifest.previous_version}")
    try:
        base = Manifest.decode(row.manifest)
    except ContractError as error:
        raise BundleError(BundleFault.MANIFEST, error) from error
    shutil.copyfile(Shelf(state_dir).path(base), scratch.path(base))
    return base
