"""The key that follows a role's present one: beside it as `next-ROLE.pem`, with the former public one as
`former-ROLE.pem`, until all that hangs on the change is done."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from agent.cose import VerifyKey
from agent.keys import Role
from offline_store.durable import sync_directory
from tools.cli.words import say
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.key_files import load_key, make_private_directory, private_pem, public_pem, write_private


class NextKey:
    """One role's: what a run that was cut left, or a new one, which is nowhere before :meth:`begin`.

    Every step may be the last before the power goes, and is done again. ``is_adopted``: an earlier run was cut after
    the change, so that the key in use is this one already. ``former`` and ``public`` are the public key that it
    follows and its own, PEM. Raises `PlatformError` and `OSError`.
    """

    def __init__(self, authority: Authority, role: Role) -> None:
        self._role = role
        self._key, self._public = authority.files_of(role)
        self._coming = self._key.with_name(f"next-{role}.pem")
        self._former = self._key.with_name(f"former-{role}.pem")
        self._kept = authority.former_sealing_keys
        begun = self._coming.exists()
        key = load_key(self._coming) if begun else ec.generate_private_key(ec.SECP256R1())
        self._private, self.public = private_pem(key), public_pem(key.public_key())
        self.is_adopted = begun and self._key.exists() and public_pem(load_key(self._key).public_key()) == self.public
        self.former = self._read_former() if self.is_adopted else self._public.read_bytes()

    def begin(self) -> None:
        """Keep both, for a run that has to finish this one."""
        if not self.is_adopted:
            write_private(self._former, self.former)
            write_private(self._coming, self._private)

    def adopt(self) -> None:
        """Sign by the key that follows from now on; both stay known until :meth:`end`."""
        if not self.is_adopted:
            if self._role is Role.SEALING and self._key.exists():
                make_private_directory(self._kept)
                write_private(self._kept / f"{VerifyKey.from_pem(self.former).kid.hex()}.pem", self._key.read_bytes())
            write_private(self._key, self._private)
        write_private(self._public, self.public)

    def end(self) -> None:
        """All that hangs on the change is done. The private one is gone first, and for good: without it, all begins
        anew."""
        for path in (self._coming, self._former):
            path.unlink(missing_ok=True)
            sync_directory(path.parent)

    def _read_former(self) -> bytes:
        try:
            return self._former.read_bytes()
        except FileNotFoundError as error:
            raise PlatformError(
                say(
                    f"缺少 {self._former}：没有它，无法完成之前中断的密钥更换。请从备份取回；没有备份时，"
                    f"删除 {self._coming} 并再运行一次：会再换一把密钥，旧密钥签发的数据包要重新发布。",
                    f"{self._former} is missing: without it a change of key that was cut short before cannot be "
                    "finished. Bring it back from the copy of that directory. Where there is none, remove "
                    f"{self._coming} and run the same again: the key is changed once more, and what the former one "
                    "signed is to be published anew.",
                )
            ) from error
