"""One message of each form of an enrolment and of a renewal."""

from __future__ import annotations

from agent.sync.contract.enrol import (
    Certified,
    Certify,
    CertifyRefused,
    EnrolAsked,
    EnrolCode,
    EnrolGranted,
    Enrolment,
    EnrolRefused,
    EnrolRequest,
    EnrolWaits,
)
from agent.sync.contract.wire import Message

ID, POINT, DER, HASH = "0123456789abcdef", b"\2" + b"p" * 32, b"der", b"h" * 32
ASKED = EnrolAsked(id=ID, nonce=b"n" * 16, request=DER, checkpoint=POINT, sealing=POINT)
CODE = EnrolCode(
    id=ID,
    secret=b"s" * 16,
    terminal="gate-7",
    expires_ms=1_800_000_000_000,
    host="broker.city.example",
    port=8884,
    root=POINT,
    answers=POINT,
    authority=POINT,
    site="east-hall",
    profile="gate",
)
ENROLLING: list[Message] = [
    CODE,
    CODE.model_copy(update={"site": None, "profile": None}),
    ASKED,
    EnrolRequest(asked=ASKED.encode(), proof=HASH),
    EnrolWaits(id=ID, asked=HASH, issued_ms=1),
    EnrolRefused(id=ID, asked=HASH, issued_ms=1, code="used"),
    EnrolGranted(id=ID, asked=HASH, issued_ms=1, sealed=b"x" * 60_000),
    Enrolment(
        terminal="gate-7",
        certificate=DER,
        authority=DER,
        role_keys=b"k",
        medium_keys=((1, HASH), (2, HASH)),
        site="east-hall",
        configuration="终端: {}",
        bundles=(b"bundle",),
    ),
    Enrolment(terminal="gate-7", certificate=DER, authority=DER, role_keys=b"k", medium_keys=((1, HASH),)),
    Certify(nonce=b"n" * 16, request=DER, checkpoint=POINT),
    Certified(terminal="gate-7", asked=HASH, issued_ms=1, certificate=DER),
    CertifyRefused(terminal="gate-7", asked=HASH, issued_ms=1, code="revoked"),
]
