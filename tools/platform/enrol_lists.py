"""The trust list that a box gets with its certificate: the issuers that the platform knows, readable for it alone.

The lists for all are sealed for the terminals that their maker named; a new one is not among them before the next. So
it gets its own, of the same version: the next list for all is newer, and follows.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.bundles.manifest import Kind
from agent.sync.contract.enrol import MAX_BUNDLE_BYTES
from tools import bundles
from tools.bundles import Issue
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.issuers import known

_DAY_MS = 86_400_000
_DAYS, _GRACE_DAYS = 30, 14


def lists_for(
    authority: Authority, store: BundleStore, terminal: str, recipient: ec.EllipticCurvePublicKey, now_ms: int
) -> tuple[bytes, ...]:
    """The bundle files; none where the platform knows no issuer, or its root key is kept elsewhere."""
    rows = known(authority.issuers)
    if not rows:
        return ()
    try:
        root = cose.Es256Signer(authority.load_root())
    except PlatformError:
        return ()
    version = max((latest.version for latest in store.latest() if latest.name == Kind.TRUST.value), default=1)
    ends_ms = now_ms + _DAYS * _DAY_MS
    issue = Issue(Kind.TRUST, Kind.TRUST.value, version, now_ms, ends_ms, _GRACE_DAYS * _DAY_MS, f"terminal:{terminal}")
    content = bundles.trust_content([row.row() for row in rows], dict(enumerate(bundles.ENTITLEMENTS)), [recipient])
    made = bundles.full_bundle(issue, content, root)
    return (made,) if len(made) <= MAX_BUNDLE_BYTES else ()
