"""Whether terminals will believe a bundle, as far as the platform knows: told before it travels, not refused.

A terminal judges for itself, and somebody may have given it keys by hand (`onecard trust anchor`).
"""

from __future__ import annotations

from agent import cose
from agent.bundles.envelope import unseal
from agent.bundles.errors import BundleError
from agent.bundles.manifest import Kind, Manifest
from agent.bundles.roles import SIGNER_OF, Rings, Signatory, rings_of
from agent.keys import Role
from profiles.reasons import Sentence
from tools import bundles
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority


def doubt(authority: Authority, store: BundleStore, envelope: bytes, manifest: Manifest) -> Sentence | None:
    """Why terminals would refuse it, and what to do; `None` if they believe its key, or none was ever enrolled here."""
    signatory = Signatory(_rings(authority, store))
    role = SIGNER_OF[manifest.kind]
    if not signatory.rings.get(role):
        return None
    key = authority.role_keys[role][0]
    try:
        signed = unseal(envelope, signatory.all_keys)
    except BundleError:
        return Sentence(
            f"本平台登记的终端不信任其签名密钥，会拒收；请用 {key} 签名，"
            f"或先在每台终端上运行 onecard trust anchor {role.value} 公钥文件",
            f"terminals enrolled here do not trust the key that signed it and will refuse it: sign with {key}, or run"
            f" `onecard trust anchor {role.value} FILE.pub` on each terminal first",
        )
    if not signatory.may_sign(signed.kid, manifest.kind):
        return Sentence(
            f"签名密钥不是 {role.value} 角色，终端会拒收；请用 {key} 签名",
            f"the key that signed it has not the role {role.value}, so terminals will refuse it: sign with {key}",
        )
    return None


def _rings(authority: Authority, store: BundleStore) -> Rings:
    """What a terminal was given when it was enrolled, or the rotation that was published for all since then."""
    for latest in store.latest():
        if latest.name == Kind.KEYS.value and latest.for_all:
            for form in latest.forms:
                if form.manifest.previous_version is None:
                    return rings_of(bundles.read_full(form.path).content)
    publics = {role: public for role, (_, public) in authority.role_keys.items()}
    publics[Role.ACKNOWLEDGEMENT] = authority.ack_public
    return {
        role: cose.keyring([cose.VerifyKey.from_pem(public.read_bytes())])
        for role, public in publics.items()
        if public.exists()
    }
