"""May this bundle be installed? Bytes in, a manifest out; no I/O. The checks, in order, the first that fails refuses:

1. **Envelope**: a COSE_Sign1 that one of the platform's keys signed for this purpose (:mod:`agent.cose`). Nothing of
   the manifest is interpreted before this holds.
2. **Manifest**: strict, of a kind that this software knows, under a name that fits its kind.
3. **Role**: the key that signed has the role that this kind asks for (:mod:`agent.bundles.roles`).
4. **Audience**: all terminals, this one's site, or this terminal.
5. **Version**: above the floor, which is the version installed last and survives everything but a new store. The same
   version again is allowed only where its file was found damaged. A delta names the version in force as its base.
6. **Time**: not expired beyond its grace; and while the clock is trusted, not issued ahead of it by more than
   :data:`MAX_AHEAD_MS` and its uncertainty. A clock that is not trusted judges no future: it learns its floor from
   just these bundles.

Then the body, while it is read (:mod:`agent.bundles.install`): 7. its size and SHA-256 as signed; 8. one zstd frame,
inflated to the stated size and no further; 9. the content's SHA-256 as signed; 10. the content, by its kind's rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.bundles.envelope import unseal
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Manifest
from agent.bundles.roles import Signatory
from agent.clock import Moment
from agent.credentials.trust import Freshness
from agent.sync.contract.errors import ContractError
from profiles.api import ClockState
from profiles.reasons import Sentence

MAX_BUNDLES = 256
MAX_AHEAD_MS = 300_000
ALL = "all"


@dataclass(frozen=True, slots=True)
class Place:
    """Which terminal this is, and the site that it stands at."""

    terminal: str
    site: str | None = None

    def hears(self, audience: str) -> bool:
        """Whether a bundle for ``audience`` is for this terminal."""
        return audience in (ALL, f"terminal:{self.terminal}") or (
            self.site is not None and audience == f"site:{self.site}"
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """What is installed under one name: its version, which is the floor, and its content."""

    version: int
    content_sha256: bytes | None
    """``None``: the file is damaged."""

    @property
    def whole(self) -> bool:
        """Whether the file is as it was signed."""
        return self.content_sha256 is not None


def check(
    envelope: bytes,
    signatory: Signatory,
    place: Place,
    standing: Mapping[str, Standing],
    moment: Moment,
) -> Manifest:
    """The manifest of a bundle that may be installed. Raises :class:`BundleError`; see the module's rules."""
    signed = unseal(envelope, signatory.all_keys)
    try:
        manifest = Manifest.decode(signed.payload)
    except ContractError as error:
        raise BundleError(BundleFault.MANIFEST, error) from error
    if not signatory.may_sign(signed.kid, manifest.kind):
        raise BundleError(BundleFault.WRONG_ROLE, f"{manifest.kind.value}, kid {signed.kid.hex()}")
    if not place.hears(manifest.audience):
        raise BundleError(BundleFault.AUDIENCE, manifest.audience)
    _check_version(manifest, standing)
    _check_time(manifest, moment)
    return manifest


def _check_version(manifest: Manifest, standing: Mapping[str, Standing]) -> None:
    now = standing.get(manifest.name)
    what = f"{manifest.name} {manifest.bundle_version}"
    if now is None and len(standing) >= MAX_BUNDLES:
        raise BundleError(BundleFault.TOO_MANY, f"{MAX_BUNDLES}")
    if now is not None and manifest.bundle_version < now.version:
        raise BundleError(
            BundleFault.ROLLBACK, Sentence(f"{what}，现有 {now.version}", f"{what}, in force: {now.version}")
        )
    if now is not None and now.whole and manifest.bundle_version == now.version:
        same = manifest.content_sha256 == now.content_sha256
        raise BundleError(BundleFault.INSTALLED if same else BundleFault.SAME_VERSION, what)
    if manifest.previous_version is not None and (
        now is None or not now.whole or manifest.previous_version != now.version
    ):
        in_force = "none" if now is None or not now.whole else str(now.version)
        raise BundleError(
            BundleFault.WRONG_BASE,
            Sentence(
                f"{what} 承接 {manifest.previous_version}，现有 {in_force}",
                f"{what} follows {manifest.previous_version}, in force: {in_force}",
            ),
        )


def _check_time(manifest: Manifest, moment: Moment) -> None:
    what = f"{manifest.name} {manifest.bundle_version}"
    if manifest.term.expiry(moment.least_ms).freshness is Freshness.EXPIRED:
        raise BundleError(BundleFault.EXPIRED, what)
    latest_ms = moment.now_ms + moment.uncertainty_ms + MAX_AHEAD_MS
    if moment.state is not ClockState.UNTRUSTED and manifest.issued_ms > latest_ms:
        raise BundleError(BundleFault.FUTURE, what)
