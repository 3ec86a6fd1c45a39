"""Health certificates: what a signer said counts, by its own key and in its time; everything else has its reason."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from random import Random as Seeded

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import Moment
from agent.credentials import base45, hcert
from agent.credentials.hcert_keys import SignerInvalid, SignerList, Signers, keyring, load_signers, signer_key
from agent.credentials.trust import Term
from profiles.api import Assurance, ClockState, Presented, Rejected
from profiles.code_reasons import CodeReason
from profiles.health_reasons import HealthReason
from profiles.reasons import ReasonEnum
from profiles.rules.codes import CodePolicy, UntrustedClock
from profiles.rules.health import HealthRules
from tests.agent.credentials import health_issuer as issuer
from tests.agent.credentials.health_issuer import EXPIRES_S, ISSUED_S, NOW_S, Signer

ES256 = Signer.make(ec.generate_private_key(ec.SECP256R1()))
PS256 = Signer.make(rsa.generate_private_key(65537, 2048))
STRANGER = Signer.make(ec.generate_private_key(ec.SECP256R1()))
SIGNERS = keyring(signer_key(each.certificate) for each in (ES256, PS256))
NOW = Moment(NOW_S * 1000, ClockState.SYNCHRONISED, 0)
TERM = Term(0, 1 << 52, 0)
TAKES = CodePolicy(health=HealthRules())
GOOD = issuer.certificate(ES256, issuer.vaccination())


def mac(data: bytes) -> bytes:
    return hmac.digest(b"medium key", data, "sha256")


def verdict(
    text: str, moment: Moment = NOW, signers: Signers = SIGNERS, policy: CodePolicy = TAKES
) -> Presented | Rejected:
    return hcert.verdict(text, SignerList(TERM, signers), policy, moment, mac)


def reason(text: str, moment: Moment = NOW, signers: Signers = SIGNERS) -> ReasonEnum:
    result = verdict(text, moment, signers)
    assert isinstance(result, Rejected)
    assert result.medium is None
    return result.reason


@pytest.mark.parametrize("signer", [ES256, PS256], ids=["ES256", "PS256"])
@pytest.mark.parametrize("content", [issuer.vaccination(), issuer.tested(), issuer.recovered()], ids=["v", "t", "r"])
def test_a_certificate_becomes_a_credential_with_a_colour(signer: Signer, content: object) -> None:
    result = verdict(issuer.certificate(signer, content))
    assert isinstance(result, Presented)
    credential = result.credential
    assert credential.entitlements == {"health-green"}
    assert credential.assurance is Assurance.STATIC_CODE
    assert credential.subject.provisional
    assert credential.medium == credential.subject.id
    assert len(credential.medium) == 16


def test_the_medium_is_the_identifiers_and_keyed() -> None:
    first, second = verdict(GOOD), verdict(issuer.certificate(PS256, issuer.vaccination(dn=3)))
    other = verdict(issuer.certificate(ES256, issuer.vaccination(ci="URN:UVCI:01:XX:2")))
    assert isinstance(first, Presented)
    assert isinstance(second, Presented)
    assert isinstance(other, Presented)
    assert first.credential.medium == second.credential.medium != other.credential.medium
    assert "URN" not in repr(hcert.verify(GOOD, SIGNERS))


@pytest.mark.parametrize("tag", [b"", b"\xd2", b"\xd8\x3d\xd2"], ids=["none", "cose", "cwt"])
def test_the_tags_that_issuers_write_or_leave_out_are_all_read(tag: bytes) -> None:
    assert isinstance(verdict(issuer.text(issuer.message(ES256, issuer.cwt(issuer.vaccination()), tag=tag))), Presented)


def test_the_kid_may_stand_in_the_unprotected_header_and_the_protected_one_wins() -> None:
    payload = issuer.cwt(issuer.vaccination())
    outside = issuer.message(ES256, payload, protected={1: -7}, unprotected={4: ES256.kid})
    assert isinstance(verdict(issuer.text(outside)), Presented)
    both = issuer.message(ES256, payload, unprotected={4: STRANGER.kid})
    assert isinstance(verdict(issuer.text(both)), Presented)
    wrong = issuer.message(ES256, payload, protected={1: -7, 4: STRANGER.kid}, unprotected={4: ES256.kid})
    assert reason(issuer.text(wrong)) is HealthReason.SIGNER_UNKNOWN


def test_every_key_that_bears_the_kid_is_tried_and_none_other() -> None:
    """Two certificates whose identifiers collide, as some did; made here by giving one the other's."""
    ours, theirs = signer_key(ES256.certificate), signer_key(STRANGER.certificate)
    collided = keyring([replace(theirs, kid=ours.kid), replace(signer_key(PS256.certificate), kid=ours.kid), ours])
    assert len(collided[ours.kid]) == 3
    assert isinstance(verdict(GOOD, signers=collided), Presented)
    assert reason(GOOD, signers=keyring([replace(theirs, kid=ours.kid)])) is HealthReason.FORGED
    assert reason(GOOD, signers=keyring([replace(ours, kid=b"another!")])) is HealthReason.SIGNER_UNKNOWN


def test_a_key_is_never_used_for_the_other_algorithm() -> None:
    payload = issuer.cwt(issuer.vaccination())
    claimed = issuer.message(PS256, payload, protected={1: -7, 4: PS256.kid})
    assert reason(issuer.text(claimed)) is HealthReason.FORGED


@pytest.mark.parametrize("algorithm", [-8, -35, -65537, 0, 1])
def test_other_algorithms_are_not_known(algorithm: int) -> None:
    other = issuer.message(ES256, issuer.cwt(issuer.vaccination()), protected={1: algorithm, 4: ES256.kid})
    assert reason(issuer.text(other)) is HealthReason.ALGORITHM_UNKNOWN


def test_a_strangers_signature_is_unknown_and_under_our_kid_forged() -> None:
    payload = issuer.cwt(issuer.vaccination())
    assert reason(issuer.text(issuer.message(STRANGER, payload))) is HealthReason.SIGNER_UNKNOWN
    forged = issuer.message(STRANGER, payload, protected={1: -7, 4: ES256.kid})
    assert reason(issuer.text(forged)) is HealthReason.FORGED


@pytest.mark.parametrize(
    ("iat", "exp", "at_s", "expected"),
    [
        (ISSUED_S, EXPIRES_S, ISSUED_S - 1, HealthReason.NOT_YET_VALID),
        (ISSUED_S, EXPIRES_S, ISSUED_S, None),
        (ISSUED_S, EXPIRES_S, EXPIRES_S - 1, None),
        (ISSUED_S, EXPIRES_S, EXPIRES_S, HealthReason.EXPIRED),
    ],
)
def test_it_counts_from_iat_until_exp(iat: int, exp: int, at_s: int, expected: HealthReason | None) -> None:
    moment = Moment(at_s * 1000, ClockState.SYNCHRONISED, 0)
    result = verdict(issuer.certificate(ES256, issuer.vaccination(), iat, exp), moment)
    assert (result.reason if isinstance(result, Rejected) else None) is expected


def test_the_clocks_uncertainty_counts_for_the_citizen_and_an_untrusted_clock_decides_nothing() -> None:
    early = Moment((ISSUED_S - 5) * 1000, ClockState.HOLDOVER, 5_000)
    assert isinstance(verdict(GOOD, early), Presented)
    late = Moment((EXPIRES_S + 4) * 1000, ClockState.HOLDOVER, 5_000)
    assert isinstance(verdict(GOOD, late), Presented)
    untrusted = replace(NOW, state=ClockState.UNTRUSTED)
    assert reason(GOOD, untrusted) is CodeReason.CLOCK_UNTRUSTED
    judges = CodePolicy(health=HealthRules(), untrusted_clock=UntrustedClock.JUDGE)
    assert isinstance(verdict(GOOD, untrusted, policy=judges), Presented)


def test_a_lane_that_judges_by_a_lost_clock_judges_no_end_before_what_is_known() -> None:
    judges = CodePolicy(health=HealthRules(), untrusted_clock=UntrustedClock.JUDGE)

    def at_floor(floor_ms: int, term: Term = TERM) -> Presented | Rejected:
        lost = Moment(0, ClockState.UNTRUSTED, 0, floor_ms)
        return hcert.verdict(GOOD, SignerList(term, SIGNERS), judges, lost, mac)

    assert isinstance(at_floor(NOW.now_ms), Presented)
    late = at_floor(EXPIRES_S * 1000, Term(0, 2**52, 0))
    assert isinstance(late, Rejected)
    assert late.reason is HealthReason.EXPIRED
    late = at_floor(NOW.now_ms, Term(0, NOW.now_ms, 0))
    assert isinstance(late, Rejected)
    assert late.reason is HealthReason.SIGNERS_MISSING


def test_a_lane_without_health_rules_says_what_it_was_shown() -> None:
    refused = verdict(GOOD, policy=CodePolicy())
    assert isinstance(refused, Rejected)
    assert refused.reason is CodeReason.HEALTH_CERTIFICATE


def test_without_a_list_of_signers_in_force_nothing_counts() -> None:
    over = SignerList(Term(0, NOW_S * 1000 - 2, 1), SIGNERS)
    for signers in (None, over):
        refused = hcert.verdict(GOOD, signers, TAKES, NOW, mac)
        assert isinstance(refused, Rejected)
        assert refused.reason is HealthReason.SIGNERS_MISSING


def test_the_signers_certificate_covers_the_time_of_issue_and_now() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    young = Signer.make(key, valid_from=issuer.NOW)
    text = issuer.certificate(young, issuer.vaccination())
    assert reason(text, signers=keyring([signer_key(young.certificate)])) is HealthReason.SIGNER_NOT_ALLOWED
    old = Signer.make(key, valid_until=datetime(2026, 3, 1, 11, 30, tzinfo=UTC))
    text = issuer.certificate(old, issuer.vaccination())
    assert reason(text, signers=keyring([signer_key(old.certificate)])) is HealthReason.EXPIRED


@pytest.mark.parametrize("arc", ["1.3.6.1.4.1.1847.2021.1", "1.3.6.1.4.1.0.1847.2021.1"])
def test_a_certificate_that_names_its_use_is_held_to_it(arc: str) -> None:
    tester = Signer.make(ec.generate_private_key(ec.SECP256R1()), uses=(f"{arc}.1",))
    signers = keyring([signer_key(tester.certificate)])
    assert isinstance(verdict(issuer.certificate(tester, issuer.tested()), signers=signers), Presented)
    text = issuer.certificate(tester, issuer.vaccination())
    assert reason(text, signers=signers) is HealthReason.SIGNER_NOT_ALLOWED


def test_a_use_that_the_specification_does_not_know_bounds_nothing() -> None:
    signer = Signer.make(ec.generate_private_key(ec.SECP256R1()), uses=("1.3.6.1.5.5.7.3.2",))
    text = issuer.certificate(signer, issuer.recovered())
    assert isinstance(verdict(text, signers=keyring([signer_key(signer.certificate)])), Presented)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        issuer.dcc(v=None),
        issuer.dcc(v=[]),
        issuer.dcc(v={}),
        {**issuer.vaccination(), **issuer.tested()},
        issuer.dcc(v=[1]),
        issuer.vaccination(dt="yesterday"),
        issuer.vaccination(dt="2026-13-01"),
        issuer.vaccination(dn="2"),
        issuer.vaccination(sd=0),
        issuer.vaccination(ci=""),
        issuer.vaccination(ci="x" * 500),
        issuer.tested(tt="LP0"),
        issuer.tested(tr="1"),
        issuer.tested(sc="tomorrow"),
        issuer.recovered(fr=20260110),
    ],
)
def test_content_in_another_form_is_refused(content: object) -> None:
    assert reason(issuer.certificate(ES256, content)) is HealthReason.UNSUPPORTED


@pytest.mark.parametrize(
    ("iat", "exp"), [(None, EXPIRES_S), (ISSUED_S, "never"), (-1, 5), (EXPIRES_S, ISSUED_S), (0, 1 << 62), (1.5, 2.5)]
)
def test_times_that_are_no_numbers_of_seconds_are_refused(iat: object, exp: object) -> None:
    assert reason(issuer.certificate(ES256, issuer.vaccination(), iat, exp)) is HealthReason.UNSUPPORTED


def bomb(inflated_bytes: int) -> str:
    return issuer.text(bytes(inflated_bytes))


def test_a_zlib_bomb_is_refused_before_it_is_inflated() -> None:
    assert reason(bomb(2_000_000)) is HealthReason.TOO_LARGE
    compressed = zlib.compress(bytes(2_000_000), 9)
    assert len(compressed) < 2_900  # a symbol could hold it


COSE = issuer.message(ES256, issuer.cwt(issuer.vaccination()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HC1:",
        "HC2:" + GOOD[4:],
        "hc1:" + GOOD[4:],
        GOOD + "\n",
        GOOD + "0",
        GOOD[:-3],
        "HC1:" + GOOD[4:].lower(),
        "HC1:" + base45.encode(COSE),
        "HC1:" + base45.encode(zlib.compress(COSE) + b"\0"),
        "HC1:" + base45.encode(zlib.compress(COSE)[:-1]),
        "HC1:" + "0" * 5000,
        issuer.text(COSE + b"\0"),
        issuer.text(b"\xd2" + COSE),
        issuer.text(COSE[:-1]),
        issuer.text(b""),
        issuer.text(b"\x81" * 5000),
        issuer.text(b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"),
        issuer.text(b"\xd2" + cbor2.dumps([b"", {}, b"payload"])),
        issuer.text(b"\xd2" + cbor2.dumps([b"\xa0", {}, b"payload", b"signature"])),
        issuer.text(b"\xd2" + cbor2.dumps([b"\x01", {}, b"payload", b"signature"])),
        issuer.text(b"\xd2" + cbor2.dumps([b"\xa1\x01\x26", {4: "kid"}, b"payload", b"signature"])),
        issuer.text(b"\xd2" + cbor2.dumps([cbor2.dumps({1: "ES256", 4: ES256.kid}), {}, b"payload", b"signature"])),
        issuer.text(b"\xd2\x84\x43\xa1\x01\x26\xa2\x04\x41\x31\x04\x41\x32\x40\x40"),
    ],
    ids=count(),
)
def test_what_is_no_certificate_is_unreadable(text: str) -> None:
    assert reason(text) is HealthReason.UNREADABLE


def test_a_signed_tag_inside_is_refused() -> None:
    """cbor2 would build dates, decimals and huge integers from tags."""
    tagged = issuer.message(ES256, cbor2.dumps(cbor2.CBORTag(0, "2026-01-01T00:00:00Z")))
    assert reason(issuer.text(tagged)) is HealthReason.UNREADABLE


def test_no_flipped_bit_of_the_message_counts() -> None:
    """Outside the signed bytes a flip may leave the meaning alone: the tag in front, and the unprotected header."""
    for place in range(8, 8 * len(COSE)):
        altered = bytearray(COSE)
        altered[place // 8] ^= 1 << place % 8
        assert isinstance(verdict(issuer.text(bytes(altered))), Rejected)


def test_no_cut_of_the_text_counts() -> None:
    for length in range(len(GOOD)):
        assert isinstance(verdict(GOOD[:length]), Rejected)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=60), st.text(alphabet=base45.ALPHABET, max_size=200).map("HC1:".__add__)))
def test_no_text_raises(text: str) -> None:
    assert isinstance(verdict(text), Rejected)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_message_raises(data: bytes) -> None:
    assert isinstance(verdict(issuer.text(data)), Rejected)


def test_random_content_under_a_true_signature_never_raises() -> None:
    dice = Seeded(8)
    for _ in range(200):
        result = verdict(issuer.text(issuer.message(ES256, dice.randbytes(dice.randrange(60)))))
        assert isinstance(result, Rejected)


def test_signers_are_read_from_pem_and_der_and_named_by_their_hash() -> None:
    pem = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in (ES256, PS256))
    assert [key.kid for key in load_signers(pem)] == [ES256.kid, PS256.kid]
    (key,) = load_signers(ES256.der)
    assert key.kid == hashlib.sha256(ES256.der).digest()[:8]


def test_what_is_no_signers_certificate_is_refused() -> None:
    of_no_version = ES256.der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"), 1)
    nonsense = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for content in (b"", b"nonsense", nonsense, of_no_version):
        with pytest.raises(SignerInvalid, match="neither PEM nor DER"):
            load_signers(content)
    with pytest.raises(SignerInvalid, match="P-256"):
        signer_key(Signer.make(ec.generate_private_key(ec.SECP384R1())).certificate)
    with pytest.raises(SignerInvalid, match="2048"):
        signer_key(Signer.make(rsa.generate_private_key(65537, 1024)).certificate)  # noqa: S505 - too short on purpose
