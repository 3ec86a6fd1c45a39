"""Certificates that count no more: one file each below `keys/revoked/`, and the authority's list (CRL, RFC 5280 §5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tools.platform.ca import Authority
from tools.platform.file_lock import locked
from tools.platform.key_files import make_private_directory, write_private

_LIFE = timedelta(days=10 * 365)
"""A broker refuses everybody under a list that is out of date: it is written anew with each start of the platform."""


@contextmanager
def alone(authority: Authority) -> Iterator[None]:
    """Hold off whoever issues or revokes: between a look at what counts and what follows from it nothing changes.

    The database is asked for nothing inside: whoever waits here may hold its rows.
    """
    make_private_directory(authority.revoked)
    with locked(authority.revoked / "issue-lock"):
        yield


def revoke(authority: Authority, terminal: str, keep: x509.Certificate | None = None) -> int:
    """Let none of a terminal's certificates count any more, but `keep`; how many that were."""
    with alone(authority):
        return revoke_others(authority, terminal, keep)


def revoke_since(
    authority: Authority, terminal: str, first: x509.Certificate, until: x509.Certificate | None = None
) -> int:
    """The same of one certificate and of what its terminal was given since, before `until`; how many that were."""
    start = first.not_valid_before_utc
    end = datetime.max.replace(tzinfo=UTC) if until is None else until.not_valid_before_utc
    with alone(authority):
        given = authority.given(terminal)
        meant = (each for each in given if each == first or start <= each.not_valid_before_utc < end)
        found = [each for each in meant if not is_revoked(authority, each)]
        for certificate in found:
            revoke_one(authority, certificate)
        write_list(authority)
    return len(found)


def revoke_others(authority: Authority, terminal: str, keep: x509.Certificate | None) -> int:
    """As :func:`revoke`, by whoever is :func:`alone`."""
    others = [each for each in authority.given(terminal) if each != keep and not is_revoked(authority, each)]
    for certificate in others:
        revoke_one(authority, certificate)
    write_list(authority)
    return len(others)


def revoke_one(authority: Authority, certificate: x509.Certificate) -> None:
    """Let one certificate count no more, from the next :func:`write_list` on."""
    make_private_directory(authority.revoked)
    write_private(_path(authority, certificate), certificate.public_bytes(serialization.Encoding.PEM))


def is_revoked(authority: Authority, certificate: x509.Certificate) -> bool:
    """Whether a certificate counts no more."""
    return _path(authority, certificate).exists()


def is_out(authority: Authority, terminal: str) -> bool:
    """Whether a terminal had certificates, and none of them counts any more."""
    given = authority.given(terminal)
    return bool(given) and all(is_revoked(authority, certificate) for certificate in given)


def write_list(authority: Authority) -> None:
    """Sign the list of what is revoked now; of two at once the later one has what both revoked."""
    make_private_directory(authority.revoked)
    with locked(authority.revoked / "lock"):
        _write_list(authority)


def _write_list(authority: Authority) -> None:
    issuer, key = authority.load_authority()
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.subject, last_update=now - timedelta(days=1), next_update=now + _LIFE
    )
    for path in sorted(authority.revoked.glob("*.pem")):
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder(int(path.stem, 16), _since(path)).build()
        )
    write_private(authority.revoked_list, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _path(authority: Authority, certificate: x509.Certificate) -> Path:
    return authority.revoked / f"{certificate.serial_number:x}.pem"


def _since(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
