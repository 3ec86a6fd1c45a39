"""Every check refuses what it is there for, says which it was, and leaves everything as it stood."""

from __future__ import annotations

import hashlib
from random import Random as Seeded

import cbor2
import pytest
import zstandard

from agent import cose
from agent.bundles import envelope
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Kind
from agent.credentials.trust import Freshness
from agent.keys import Role
from profiles.api import ClockState
from tests.agent.bundles.parts import (
    BUNDLE,
    DATA_KINDS,
    DAY_MS,
    NOW_MS,
    ROOT,
    SIGNERS,
    Terminal,
    issue,
    new_signer,
    pem,
    signer_for,
)
from tools import bundles as platform


async def refused(terminal: Terminal, bundle: bytes) -> BundleFault:
    before = terminal.standing(), terminal.bundles.lists.current()
    with pytest.raises(BundleError) as caught:
        await terminal.install(bundle)
    assert (terminal.standing(), terminal.bundles.lists.current()) == before
    assert [path for path in (terminal.state_dir / "bundles").iterdir() if path.name.startswith(".")] == []
    return caught.value.fault


def repacked(bundle: bytes, **changes: object) -> bytes:
    """The same bundle under a manifest whose fields were changed and signed again."""
    at = 6 + int.from_bytes(bundle[4:6], "big")
    manifest = platform.manifest_of(bundle[6:at]).model_copy(update=changes)
    return envelope.head(envelope.seal(manifest.encode(), signer_for(manifest.kind))) + bundle[at:]


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_bundle_of_every_kind_is_installed_and_found_again_after_a_restart(
    terminal: Terminal, kind: Kind
) -> None:
    await terminal.install(terminal.full(kind))
    standing = terminal.standing()
    assert list(standing.values()) == [1]
    terminal.restart()
    assert terminal.standing() == standing
    assert [one.expiry.freshness for one in terminal.bundles.standings() if one.expiry] == [Freshness.FRESH]


@pytest.mark.parametrize("kind", DATA_KINDS)
async def test_a_delta_leads_to_the_very_bytes_of_the_full_bundle(terminal: Terminal, kind: Kind) -> None:
    await terminal.install(terminal.full(kind))
    await terminal.install(terminal.delta(kind, 1, 2))
    (name,) = terminal.standing()
    files = [path for path in (terminal.state_dir / "bundles").iterdir() if path.is_file()]
    assert [path.name for path in files] == [f"{name}.2"]
    if kind is not Kind.TRUST:  # seals are fresh each time
        assert files[0].read_bytes() == terminal.content(kind, 2)


@pytest.mark.parametrize("kind", DATA_KINDS)
async def test_a_delta_for_another_base_asks_for_the_full_bundle(terminal: Terminal, kind: Kind) -> None:
    delta = terminal.delta(kind, 2, 3)
    assert await refused(terminal, delta) is BundleFault.WRONG_BASE
    await terminal.install(terminal.full(kind, 1))
    assert await refused(terminal, delta) is BundleFault.WRONG_BASE
    await terminal.install(terminal.full(kind, 3))
    assert list(terminal.standing().values()) == [3]


async def test_nothing_is_rolled_back_also_after_a_restart(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.STATUS, 5))
    for _ in range(2):
        assert await refused(terminal, terminal.full(Kind.STATUS, 4)) is BundleFault.ROLLBACK
        assert await refused(terminal, terminal.full(Kind.STATUS, 5)) is BundleFault.INSTALLED
        other = platform.full_bundle(issue(Kind.STATUS, 5), terminal.content(Kind.STATUS, 6), signer_for(Kind.STATUS))
        assert await refused(terminal, other) is BundleFault.SAME_VERSION
        terminal.restart()


@pytest.mark.parametrize("kind", list(Kind))
async def test_each_kind_wants_the_key_of_its_own_role(terminal: Terminal, kind: Kind) -> None:
    for role, signer in SIGNERS.items():
        if signer is not signer_for(kind):
            bundle = platform.full_bundle(issue(kind), terminal.content(kind), signer)
            assert await refused(terminal, bundle) is BundleFault.WRONG_ROLE, role


async def test_a_stranger_signs_nothing(terminal: Terminal) -> None:
    bundle = platform.full_bundle(issue(Kind.STATUS), terminal.content(Kind.STATUS), new_signer())
    assert await refused(terminal, bundle) is BundleFault.SIGNATURE


async def test_what_a_platform_key_signed_for_another_purpose_is_no_manifest(terminal: Terminal) -> None:
    bundle = terminal.full(Kind.STATUS)
    at = 6 + int.from_bytes(bundle[4:6], "big")
    manifest = platform.manifest_of(bundle[6:at]).encode()
    other = cose.sign1(manifest, BUNDLE, b"onecard/1/3c/gate-7/down/ack")
    assert await refused(terminal, envelope.head(other) + bundle[at:]) is BundleFault.SIGNATURE


@pytest.mark.parametrize("audience", ["terminal:gate-8", "site:school-4", "terminal:school-3", "site:gate-7"])
async def test_a_bundle_for_others_is_refused(terminal: Terminal, audience: str) -> None:
    assert await refused(terminal, terminal.full(Kind.STATUS, audience=audience)) is BundleFault.AUDIENCE


@pytest.mark.parametrize("audience", ["all", "terminal:gate-7", "site:school-3"])
async def test_a_bundle_for_this_terminal_or_its_site_is_taken(terminal: Terminal, audience: str) -> None:
    await terminal.install(terminal.full(Kind.STATUS, audience=audience))
    assert list(terminal.standing().values()) == [1]


async def test_a_bundle_that_ended_before_what_is_known_is_refused_by_a_lost_clock(terminal: Terminal) -> None:
    terminal.clock.at_ms, terminal.clock.quality = 0, ClockState.UNTRUSTED
    terminal.clock.floor_ms = NOW_MS
    await terminal.install(terminal.full(Kind.TRUST))
    terminal.clock.floor_ms = NOW_MS + 10 * DAY_MS
    assert [one.expiry.freshness for one in terminal.bundles.standings() if one.expiry] == [Freshness.EXPIRED]
    assert await refused(terminal, terminal.full(Kind.STATUS)) is BundleFault.EXPIRED


async def test_an_expired_bundle_is_taken_in_its_grace_and_not_beyond(terminal: Terminal) -> None:
    bundle = terminal.full(Kind.STATUS)
    terminal.clock.at_ms = NOW_MS + 10 * DAY_MS
    assert await refused(terminal, bundle) is BundleFault.EXPIRED
    terminal.clock.at_ms -= 1
    await terminal.install(bundle)
    (standing,) = terminal.bundles.standings()
    assert standing.expiry is not None
    assert (standing.expiry.freshness, standing.expiry.age_ms) == (Freshness.IN_GRACE, 10 * DAY_MS + 999)


async def test_a_bundle_from_the_future_is_refused_while_the_clock_can_judge(terminal: Terminal) -> None:
    bundle = terminal.full(Kind.STATUS, issued_ms=NOW_MS + 2 * DAY_MS)
    assert await refused(terminal, bundle) is BundleFault.FUTURE
    terminal.clock.quality = ClockState.UNTRUSTED
    await terminal.install(bundle)
    assert terminal.signed_at == [NOW_MS + 2 * DAY_MS]


async def test_every_bit_flip_in_the_envelope_is_refused(terminal: Terminal) -> None:
    bundle = terminal.full(Kind.STATUS)
    end = 6 + int.from_bytes(bundle[4:6], "big")
    for bit in range(8 * end):
        spoiled = bytearray(bundle)
        spoiled[bit >> 3] ^= 1 << (bit & 7)
        assert await refused(terminal, bytes(spoiled)) in (
            BundleFault.NOT_A_BUNDLE,
            BundleFault.SIGNATURE,
            BundleFault.TRUNCATED,
        )


@pytest.mark.parametrize("kind", DATA_KINDS)
async def test_every_bit_flip_in_the_body_is_refused(terminal: Terminal, kind: Kind) -> None:
    bundle = terminal.full(kind)
    start = 6 + int.from_bytes(bundle[4:6], "big")
    for bit in Seeded(5).sample(range(8 * start, 8 * len(bundle)), 100):
        spoiled = bytearray(bundle)
        spoiled[bit >> 3] ^= 1 << (bit & 7)
        assert await refused(terminal, bytes(spoiled)) is BundleFault.ALTERED


async def test_every_truncation_is_refused(terminal: Terminal) -> None:
    bundle = terminal.full(Kind.EMERGENCY)
    start = 6 + int.from_bytes(bundle[4:6], "big")
    for size_bytes in range(len(bundle)):
        expected = BundleFault.NOT_A_BUNDLE if size_bytes < start else BundleFault.TRUNCATED
        assert await refused(terminal, bundle[:size_bytes]) is expected
    assert await refused(terminal, bundle + b"\0") is BundleFault.TRUNCATED


async def test_a_file_that_is_gone_is_a_fault_with_words(terminal: Terminal) -> None:
    with pytest.raises(BundleError) as caught:
        await terminal.bundles.install(terminal.state_dir / "nowhere.bundle")
    assert caught.value.fault is BundleFault.UNREADABLE


def manifest_changes() -> list[dict[int, object]]:
    return [
        {0: 2},
        {1: "prices"},
        {1: "trust"},
        {2: "status-70000000"},
        {2: "../status-1"},
        {3: 0},
        {4: 1},
        {6: 1},
        {7: -1},
        {8: "site:"},
        {9: b"short"},
        {10: 1 << 40},
        {12: 0},
        {13: "more"},
    ]


@pytest.mark.parametrize("change", manifest_changes())
async def test_a_manifest_outside_its_grammar_is_refused_though_it_is_signed(
    terminal: Terminal, change: dict[int, object]
) -> None:
    bundle = terminal.full(Kind.STATUS)
    at = 6 + int.from_bytes(bundle[4:6], "big")
    fields = {**cbor2.loads(platform.manifest_of(bundle[6:at]).encode()), **change}
    signed = envelope.seal(cbor2.dumps(fields, canonical=True), BUNDLE)
    assert await refused(terminal, envelope.head(signed) + bundle[at:]) is BundleFault.MANIFEST


async def test_a_signed_body_that_is_no_frame_or_inflates_beyond_what_was_signed_is_refused(terminal: Terminal) -> None:
    content = terminal.content(Kind.STATUS)
    bomb = zstandard.ZstdCompressor().compress(b"\0" * 50_000_000)
    longer = zstandard.ZstdCompressor().compress(content + b"\0")
    for body in (b"no zstd frame", bomb, longer, zstandard.ZstdCompressor().compress(content[:-1])):
        bundle = _with_body(terminal, body)
        assert await refused(terminal, bundle) is BundleFault.CONTENT


def _with_body(terminal: Terminal, body: bytes) -> bytes:
    bundle = terminal.full(Kind.STATUS)
    at = 6 + int.from_bytes(bundle[4:6], "big")
    signed = repacked(bundle[:at], body_sha256=hashlib.sha256(body).digest(), body_bytes=len(body))
    return signed + body


async def test_a_manifest_that_promises_other_content_is_refused(terminal: Terminal) -> None:
    for bundle in (terminal.full(Kind.REGISTER), terminal.full(Kind.STATUS)):
        assert await refused(terminal, repacked(bundle, content_sha256=bytes(32))) is BundleFault.CONTENT
    await terminal.install(terminal.full(Kind.REGISTER))
    delta = repacked(terminal.delta(Kind.REGISTER, 1, 2), content_sha256=bytes(32))
    assert await refused(terminal, delta) is BundleFault.CONTENT


async def test_keys_rotate_with_overlap_and_the_old_one_ends_with_the_next_bundle(terminal: Terminal) -> None:
    new_root, new_bundle = new_signer(), new_signer()
    both = platform.keys_content(
        [(Role.ROOT, pem(ROOT)), (Role.ROOT, pem(new_root)), (Role.BUNDLE, pem(BUNDLE)), (Role.BUNDLE, pem(new_bundle))]
    )
    await terminal.install(platform.full_bundle(issue(Kind.KEYS), both, ROOT))
    for version, signer in enumerate((BUNDLE, new_bundle), start=1):
        await terminal.install(platform.full_bundle(issue(Kind.STATUS, version), b"\0" * 8, signer))
    only_new = platform.keys_content([(Role.ROOT, pem(new_root)), (Role.BUNDLE, pem(new_bundle))])
    await terminal.install(platform.full_bundle(issue(Kind.KEYS, 2), only_new, new_root))
    terminal.restart()
    old = platform.full_bundle(issue(Kind.STATUS, 3), b"\0" * 8, BUNDLE)
    assert await refused(terminal, old) is BundleFault.SIGNATURE
    by_old_root = platform.full_bundle(issue(Kind.KEYS, 3), both, ROOT)
    assert await refused(terminal, by_old_root) is BundleFault.SIGNATURE


async def test_keys_without_a_root_or_with_a_key_in_two_roles_are_refused(terminal: Terminal) -> None:
    for keys in ([(Role.BUNDLE, pem(BUNDLE))], [(Role.ROOT, pem(ROOT)), (Role.BUNDLE, pem(ROOT))], [(Role.ROOT, b"-")]):
        bundle = platform.full_bundle(issue(Kind.KEYS), platform.keys_content(keys), ROOT)
        assert await refused(terminal, bundle) is BundleFault.CONTENT


async def test_a_terminal_takes_so_many_bundles_and_no_more(terminal: Terminal) -> None:
    bundles = [terminal.full(Kind.STATUS, name=f"status-{number}") for number in range(257)]
    for bundle in bundles[:256]:
        await terminal.install(bundle)
    assert await refused(terminal, bundles[256]) is BundleFault.TOO_MANY


async def test_of_two_faults_the_earlier_check_is_the_reason(terminal: Terminal) -> None:
    stranger = new_signer()
    await terminal.install(terminal.full(Kind.STATUS, 5))
    far = {"audience": "terminal:gate-8"}
    old = {"issued_ms": NOW_MS - 40 * DAY_MS, "expires_ms": NOW_MS - 39 * DAY_MS}
    ahead = {"issued_ms": NOW_MS + 40 * DAY_MS, "expires_ms": NOW_MS + 50 * DAY_MS}
    status, to_others = terminal.content(Kind.STATUS, 6), issue(Kind.STATUS, 6, **far)
    cases = {
        "signature before audience": (
            platform.full_bundle(to_others, status, stranger),
            "signature",
        ),
        "role before audience": (platform.full_bundle(to_others, status, ROOT), "wrong-role"),
        "audience before version": (terminal.full(Kind.STATUS, 4, **far), "audience"),
        "version before time": (terminal.full(Kind.STATUS, 4, **old), "rollback"),
        "version before the future": (terminal.full(Kind.STATUS, 4, **ahead), "rollback"),
        "time before the body": (terminal.full(Kind.STATUS, 6, **old)[:-1], "expired"),
        "size before digest": (terminal.full(Kind.STATUS, 6)[:-1], "truncated"),
    }
    assert {name: (await refused(terminal, bundle)).code for name, (bundle, _) in cases.items()} == {
        name: code for name, (_, code) in cases.items()
    }


@pytest.mark.parametrize("role", [Role.COMMAND, Role.ACKNOWLEDGEMENT, Role.SOFTWARE])
@pytest.mark.parametrize("kind", list(Kind))
async def test_keys_of_other_roles_sign_no_bundle(terminal: Terminal, role: Role, kind: Kind) -> None:
    other = new_signer()
    keys = platform.keys_content([(Role.ROOT, pem(ROOT)), (Role.BUNDLE, pem(BUNDLE)), (role, pem(other))])
    await terminal.install(platform.full_bundle(issue(Kind.KEYS), keys, ROOT))
    bundle = platform.full_bundle(issue(kind, 2), terminal.content(kind, 2), other)
    assert await refused(terminal, bundle) is BundleFault.WRONG_ROLE
