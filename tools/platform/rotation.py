"""Another key for one of the platform's roles: told to all terminals by the root, then in force here.

A list, lease or configuration that was signed by the former key is signed by the new one where it lies: its version and
content are what they were, so that a terminal which has it does nothing, and one which lacks it believes it.

Every step may be the last before the power goes, and the whole is run again in the same words: the new key is kept as
`keys/next-ROLE.pem`, the former public one as `keys/former-ROLE.pem`, until all is done.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from agent import cose
from agent.bundles.check import ALL
from agent.bundles.envelope import head, read_envelope, seal, unseal
from agent.bundles.errors import BundleError
from agent.bundles.manifest import Kind
from agent.bundles.roles import RoleKeys, rings_of
from agent.keys import Role
from offline_store.whole_file import replace_whole
from tools import bundles
from tools.cli.words import say, why_en, why_zh
from tools.platform.bundle_store import BundleStore, Latest
from tools.platform.ca import Authority
from tools.platform.errors import PlatformError
from tools.platform.next_key import NextKey

ROLES = (Role.BUNDLE, Role.ACKNOWLEDGEMENT, Role.COMMAND, Role.TECHNICIAN, Role.SEALING)
"""All but the root, of whose change a terminal is told by a root alone. A former sealing key opens what it was for."""
TERM_MS = 10 * 365 * 86_400_000
"""The keys of the platform hold until others replace them."""
Rows = list[tuple[Role, bytes]]
"""Public keys, PEM, each with its role."""


@dataclass(frozen=True)
class Rotated:
    """``version`` of the `keys` bundle tells of it; ``resigned`` bundles are signed anew."""

    version: int
    resigned: int


def rotate(given: BundleStore, authority: Authority, role: Role, now_ms: int) -> Rotated:
    """Give a role another key, and let the former one count no more. Raises `PlatformError`."""
    try:
        return _rotated(given, authority, role, now_ms)
    except OSError as error:
        zh = f"{error.filename}：{why_zh(error)}。再运行一次同一命令，即接着做完。"
        en = f"{error.filename}: {why_en(error)}. Then run the same again: it goes on where it was."
        raise PlatformError(say(zh, en)) from error


def _rotated(given: BundleStore, authority: Authority, role: Role, now_ms: int) -> Rotated:
    with given.alone():
        latest = _latest(given)
        known = _known(latest, authority)
        root = _believed_root(authority, known)
        change = NextKey(authority, role)
        former, public = change.begin()
        dropped = cose.VerifyKey.from_pem(former)
        rows = [(of, pem) for of, pem in known if cose.VerifyKey.from_pem(pem).kid != dropped.kid]
        if (role, public) not in rows:
            rows.append((role, public))
        version = latest.version if latest and rows == known else _tell(given, latest, rows, root, now_ms)
        change.adopt()
        signer = authority.signer_of(role)
        files = [form.path for latest in given.latest() for form in latest.forms]
        resigned = sum(_resign(path, dropped, signer) for path in files)
        change.end()
    return Rotated(version, resigned)


def _latest(given: BundleStore) -> Latest | None:
    """The `keys` bundle that is given out."""
    return next((each for each in given.latest() if each.name == Kind.KEYS.value and each.audience == ALL), None)


def _believed_root(authority: Authority, known: Rows) -> cose.Signer:
    """Terminals take a `keys` bundle of no other. Raises `PlatformError`."""
    root = cose.Es256Signer(authority.load_root())
    if root.kid not in {cose.VerifyKey.from_pem(pem).kid for role, pem in known if role is Role.ROOT}:
        path = authority.role_keys[Role.ROOT][0]
        raise PlatformError(
            say(
                f"{path} 不是下发的密钥包中的根密钥，终端不会相信；什么都没有改。"
                "请把密钥包中的根密钥与其公钥 root.pem 一起放入。",
                f"{path} is no root of the keys bundle that is given out, so that no terminal would believe it. "
                "Nothing was changed. Bring the root that is, with its public half, root.pem.",
            )
        )
    return root


def _tell(given: BundleStore, latest: Latest | None, rows: Rows, root: cose.Signer, now_ms: int) -> int:
    """Give out the next `keys` bundle; its version."""
    content = bundles.keys_content(rows)
    rings_of(content)  # terminals would say it too late
    version = 1 if latest is None else latest.version + 1
    issue = bundles.Issue(Kind.KEYS, Kind.KEYS.value, version, now_ms, now_ms + TERM_MS, 0, ALL)
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "keys"
        path.write_bytes(bundles.full_bundle(issue, content, root))
        given.add(path)
    return version


def _known(latest: Latest | None, authority: Authority) -> Rows:
    """Whom terminals believe: by the `keys` bundle that is given out, before the first one by their enrolment."""
    if latest is None:
        return authority.public_keys()
    try:
        content = bundles.read_full(latest.forms[0].path).content
        return [(row.role, row.pem) for row in RoleKeys.decode(content).rows]
    except BundleError as error:
        raise PlatformError(
            say(f"密钥包无法读取：{error.zh}", f"The keys bundle cannot be read: {error.en}.")
        ) from error


def _resign(path: Path, former: cose.VerifyKey, signer: cose.Signer) -> bool:
    """Sign one bundle anew if the former key signed it; whether it did."""
    with path.open("rb") as file:
        try:
            signed = unseal(read_envelope(file), cose.keyring([former]))
        except BundleError:
            return False
        with TemporaryFile(dir=path.parent) as whole:
            whole.write(head(seal(signed.payload, signer)))
            shutil.copyfileobj(file, whole)
            whole.seek(0)
            replace_whole(path, whole)
    return True
