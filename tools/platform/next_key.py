"""The key that follows a role's present one: beside it as `next-ROLE.pem`, with the former public one as
`former-ROLE.pem`, until all that hangs on the change is done."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from agent.cose import VerifyKey
from agent.keys import Role
from tools.platform.ca import Authority, load_key, make_private_directory, private_pem, public_pem, write_private


class NextKey:
    """One role's; every step may be the last before the power goes, and is done again."""

    def __init__(self, authority: Authority, role: Role) -> None:
        self._role = role
        self._key, self._public = authority.files_of(role)
        self._coming = self._key.with_name(f"next-{role}.pem")
        self._former = self._key.with_name(f"former-{role}.pem")
        self._kept = authority.former_sealing_keys

    def begin(self) -> tuple[bytes, bytes]:
        """The role's public key and that of the one that shall follow it, PEM; made here, or by a run that was cut."""
        if not self._coming.exists():
            write_private(self._former, self._public.read_bytes())
            write_private(self._coming, private_pem(ec.generate_private_key(ec.SECP256R1())))
        return self._former.read_bytes(), public_pem(load_key(self._coming).public_key())

    def adopt(self) -> None:
        """Sign by the key that follows from now on; both stay known until :meth:`end`."""
        kept = self._kept / f"{VerifyKey.from_pem(self._former.read_bytes()).kid.hex()}.pem"
        if self._role is Role.SEALING and not kept.exists():
            make_private_directory(self._kept)
            write_private(kept, self._key.read_bytes())
        write_private(self._key, self._coming.read_bytes())
        write_private(self._public, public_pem(load_key(self._key).public_key()))

    def end(self) -> None:
        """All that hangs on the change is done."""
        for path in (self._coming, self._former):
            path.unlink()
