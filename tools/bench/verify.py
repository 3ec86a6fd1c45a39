"""``onecard bench verify``: a dynamic code from its text to the verdict, beside its two bare signature checks.

*Bare* is what no verifier can do without: both keys loaded from their encoded points and both signatures checked over
bytes that lie ready, by the library itself (``cryptography`` with DER in hand; SM2 by :mod:`agent.sm2`, for nothing
else speaks to libcrypto). Every code has a phone of its own and is judged anew, so nothing can be remembered.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import click
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from agent import signatures, sm2
from agent.clock import Moment
from agent.credentials import cwt
from agent.credentials.codes import CodeVerifier
from agent.credentials.ec1 import EPOCH_S, HOUR_S, Ec1, Shown
from agent.credentials.lists import Lists
from agent.credentials.status import StatusList
from agent.credentials.trust import Term, TrustList, TrustRow
from agent.facts import Marks
from agent.signatures import Algorithm, PrivateKey
from agent.words import say
from profiles.api import ClockState, Presented
from profiles.purpose import Purpose
from profiles.rules.codes import CodePolicy
from tools import citizen_code
from tools.bench.report import Figure, Report, median
from tools.citizen_code import Grant, IssuingKey

_TARGET = 1.5
_NOW_S = EPOCH_S + 50_000 * HOUR_S
_MOMENT = Moment(_NOW_S * 1000 + 2_000, ClockState.SYNCHRONISED, 0)
_DAY_MS = 86_400_000
_NAMESPACE = "city"
_ENTITLEMENTS = 0b1001

_Bare = Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Case:
    """One code, and the bare work in it."""

    text: str
    bare: _Bare


def run(codes: int, rounds: int) -> Report:
    """Judge each code in turn with its bare checks, several rounds; medians over all of an algorithm."""
    figures: list[Figure] = []
    for algorithm in Algorithm:
        full_us, bare_us = _measure(algorithm, codes, rounds)
        name = f"verify.{algorithm.name.lower()}"
        figures += (
            Figure(f"{name}.full_us", full_us, "µs", digits=1),
            Figure(f"{name}.bare_us", bare_us, "µs", digits=1),
            Figure(f"{name}.ratio", full_us / bare_us, "×", target=_TARGET),
        )
    return Report("verify", tuple(figures), {"codes": codes, "rounds": rounds, "code": "dynamic, both keys alike"})


def _measure(algorithm: Algorithm, codes: int, rounds: int) -> tuple[float, float]:
    """Medians in µs: the whole verdict, and the bare checks."""
    issuer = IssuingKey(1, 1, _NAMESPACE, signatures.generate(algorithm), secrets.token_bytes(32))
    cases = [_case(issuer, signatures.generate(algorithm)) for _ in range(codes)]
    verifier, lists, policy, marks = CodeVerifier(), _lists(issuer), CodePolicy(), Marks()
    full_ns: list[float] = []
    bare_ns: list[float] = []
    for turn in range(rounds):
        for case in cases:
            started_ns = time.perf_counter_ns()
            verdict = verifier.verdict(case.text, policy, _MOMENT, marks, lists)
            judged_ns = time.perf_counter_ns()
            case.bare()
            done_ns = time.perf_counter_ns()
            if not isinstance(verdict, Presented):
                raise click.ClickException(say("一个有效的码被拒绝", f"a good code was refused: {verdict.reason.code}"))
            if turn:  # the first round warms up
                full_ns.append(judged_ns - started_ns)
                bare_ns.append(done_ns - judged_ns)
    return median(full_ns) / 1000, median(bare_ns) / 1000


def _case(issuer: IssuingKey, phone: PrivateKey) -> _Case:
    grant = Grant(secrets.token_bytes(16), 7, _ENTITLEMENTS, citizen_code.hour_of(_NOW_S), 24)
    issued = citizen_code.issue(issuer, grant, phone.public)
    code = citizen_code.show(issued, phone, _NOW_S, Purpose.PASS, secrets.token_bytes(4))
    checks = (
        _bare(issuer.key, issued.signature, cwt.issuer_signed(issued, _NAMESPACE, grant.token, grant.entitlements)),
        _bare(phone, *_shown(code, phone.algorithm)),
    )
    return _Case(code.text, lambda: [check() for check in checks])


def _shown(code: Ec1, algorithm: Algorithm) -> tuple[bytes, bytes]:
    """The phone's signature, and what it covers."""
    shown = cast("Shown", code.shown)  # this code is dynamic
    return shown.signature, cwt.device_signed(code.issued.encode(), algorithm, shown.payload)


def _bare(key: PrivateKey, signature: bytes, data: bytes) -> _Bare:
    """Load one key and check one signature, with nothing of ours around it."""
    encoded = key.public.encoded
    match key.algorithm:
        case Algorithm.ES256:
            der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            curve, scheme = ec.SECP256R1(), ec.ECDSA(hashes.SHA256())
            return lambda: ec.EllipticCurvePublicKey.from_encoded_point(curve, encoded).verify(der, data, scheme)
        case Algorithm.ED25519:
            return lambda: Ed25519PublicKey.from_public_bytes(encoded).verify(signature, data)
        case Algorithm.SM2:
            return lambda: sm2.VerifyKey(encoded).verify(signature, data)


def _lists(issuer: IssuingKey) -> Lists:
    row = TrustRow(
        issuer=issuer.issuer,
        kid=issuer.kid,
        key=issuer.key.public,
        valid_from_ms=0,
        valid_until_ms=_MOMENT.now_ms + _DAY_MS,
        namespace=_NAMESPACE,
        entitlements=_ENTITLEMENTS,
        purposes=frozenset({Purpose.ANY}),
        max_ttl_hours=48,
        static_allowed=False,
        reading_key=issuer.reading_key,
    )
    term = Term(_MOMENT.now_ms, _MOMENT.now_ms + _DAY_MS, 0)
    trust = TrustList(
        1, term.issued_ms, term.expires_ms, 0, {(row.issuer, row.kid): row}, {0: "resident", 3: "student"}
    )
    return Lists(trust=trust, status={row.issuer: StatusList(bytes(1024), 8192, term)})
