"""Another key for one of the platform's roles: told to all terminals by the root, then in force here.

A list, lease or configuration that was signed by the former key is signed by the new one where it lies: its version and
content are what they were, so that a terminal which has it does nothing, and one which lacks it believes it.

Every step may be the last before the power goes, and the whole is run again in the same words: the new key is kept as
`keys/next-ROLE.pem`, the former public one as `keys/former-ROLE.pem`, until all is done.
A run that finds the new one in use already only finishes, and says so: who changes a key because a thief has it must
know that this one is from before.
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
from agent.bundles.roles import MAX_KEYS, RoleKeys, rings_of
from agent.keys import Role
from offline_store.whole_file import replace_whole
from tools import bundles
from tools.cli.words import say
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
    """``version`` of the `keys` bundle tells of it; ``resigned`` bundles are signed anew.

    ``only_finished``: what an earlier run had changed; the key in use is the one that it brought, and was not changed.
    """

    version: int
    resigned: int
    only_finished: bool


def rotate(given: BundleStore, authority: Authority, role: Role, now_ms: int) -> Rotated:
    """Give a role another key, and let the former one count no more; or finish a change that was cut after that.

    Raises `PlatformError` and `OSError`, after both of which it is run again.
    """
    with given.alone():
        latest = _latest(given)
        known = _known(latest, authority)
        root = _believed_root(authority, known)
        change = NextKey(authority, role)
        dropped = cose.VerifyKey.from_pem(change.former)
        rows = [(of, pem) for of, pem in known if cose.VerifyKey.from_pem(pem).kid != dropped.kid]
        if (role, change.public) not in rows:
            rows.append((role, change.public))
        content = _content(rows)
        change.begin()
        version = latest.version if latest and rows == known else _tell(given, latest, content, root, now_ms)
        change.adopt()
        signer = authority.signer_of(role)
        files = [form.path for latest in given.latest() for form in latest.forms]
        resigned = sum(_resign(path, dropped, signer) for path in files)
        change.end()
    return Rotated(version, resigned, change.is_adopted)


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


def _content(rows: Rows) -> bytes:
    """Of the next `keys` bundle; terminals would say too late that it is none. Raises `PlatformError`."""
    if len(rows) > MAX_KEYS:
        raise PlatformError(
            say(
                f"下发的密钥包已有 {MAX_KEYS} 把密钥，放不下新的；什么都没有改。"
                "请先下发一个密钥较少的密钥包：onecard trust keys，再 onecard platform publish。",
                f"The keys bundle that is given out names {MAX_KEYS} keys, and has no room for a new one. Nothing was "
                "changed. Publish one that names fewer: onecard trust keys, then onecard platform publish.",
            )
        )
    content = bundles.keys_content(rows)
    try:
        rings_of(content)
    except BundleError as error:
        raise _unreadable(error) from error
    return content


def _tell(given: BundleStore, latest: Latest | None, content: bytes, root: cose.Signer, now_ms: int) -> int:
    """Give out the next `keys` bundle; its version."""
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
        raise _unreadable(error) from error


def _unreadable(error: BundleError) -> PlatformError:
    return PlatformError(say(f"密钥包无法读取：{error.zh}", f"The keys bundle cannot be read: {error.en}."))


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
