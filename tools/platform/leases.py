"""Leases: so long a terminal takes money without hearing of the platform. Renewed half-way, but for stolen ones.

A lease is a bundle for one terminal. Its version is the second of its issue: one that was ended and is granted anew is
above what the terminal had before. A quarter before its end it is old, and the terminal says so.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from agent.bundles.contents import Lease
from agent.bundles.manifest import Kind
from agent.keys import Role
from tools import bundles
from tools.platform.bundle_store import BundleStore, Latest
from tools.platform.ca import Authority
from tools.platform.revocation import is_out


def leases(given: BundleStore) -> dict[str, Latest]:
    """The lease of each terminal that has one."""
    return {
        latest.terminal: latest
        for latest in given.latest()
        if latest.terminal is not None and latest.name == Kind.LEASE.value
    }


def ends_ms(lease: Latest) -> int:
    """When it ends."""
    term = lease.forms[0].manifest.term
    return term.expires_ms + term.grace_ms


def grant(given: BundleStore, authority: Authority, terminal: str, now_ms: int, life_ms: int) -> None:
    """Give a terminal a lease from now on, in the place of the one before."""
    with given.alone():
        _grant(given, authority, terminal, now_ms, life_ms)


def renew(given: BundleStore, authority: Authority, now_ms: int) -> None:
    """Renew what is half over, for as long again; not of a terminal whose certificates count no more.

    Nobody ends a lease meanwhile: it would come back. Where something else is given out just now, the next time does.
    """
    with given.alone(wait=False) as is_alone:
        for terminal, lease in leases(given).items() if is_alone else ():
            issued_ms = lease.forms[0].manifest.issued_ms
            life_ms = ends_ms(lease) - issued_ms
            if now_ms >= issued_ms + life_ms // 2 and not is_out(authority, terminal):
                _grant(given, authority, terminal, now_ms, life_ms)


def end(given: BundleStore, terminal: str) -> int | None:
    """Renew no more; when what the terminal has ends, or ``None`` if it had none."""
    with given.alone():
        lease = leases(given).get(terminal)
        if lease is None:
            return None
        _take_away(lease)
        return ends_ms(lease)


def _grant(given: BundleStore, authority: Authority, terminal: str, now_ms: int, life_ms: int) -> None:
    before = leases(given).get(terminal)
    version = max(now_ms // 1000, 1 if before is None else before.version + 1)
    grace_ms = life_ms // 4
    name = Kind.LEASE.value
    issue = bundles.Issue(
        Kind.LEASE, name, version, now_ms, now_ms + life_ms - grace_ms, grace_ms, audience=f"terminal:{terminal}"
    )
    signer = bundles.signer_of(authority.role_keys[Role.BUNDLE][0])
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / name
        path.write_bytes(bundles.full_bundle(issue, Lease().encode(), signer))
        given.add(path)
    if before is not None:
        _take_away(before)


def _take_away(lease: Latest) -> None:
    for form in lease.forms:
        form.path.unlink(missing_ok=True)
