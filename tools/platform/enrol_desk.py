"""What the platform does when a box asks to be enrolled, or a terminal for its next certificate.

Of an enrolment, in the order in which it is checked; each refusal counts an alarm:

1. it is of the contract, on the topic of its code (`enrol-malformed`, and no answer);
2. the code is of this platform (`enrol-unknown`);
3. it is proven: HMAC by the code's secret (`enrol-forged`);
4. the code was not revoked (`enrol-revoked`), nobody else used it (`enrol-used`), and it has not expired before it was
   granted (`enrol-expired`): who asks again, byte for byte, gets the same certificate again, however late;
5. the certificate request is signed by its own key, and for the code's terminal (`enrol-malformed`);
6. a code for a new terminal finds none of its name that has other keys (`enrol-used`).

Then a person compares the fingerprint, unless the code does without, and the certificate is issued once. With it every
other code of the terminal is revoked, so that of two that were made at once the second gives nothing. Files of the
authority are written before the commit: after a power cut in between they are written again.

The next certificate is given to the checkpoint key of the box enrolled last and to no former one, and for no key whose
certificate was revoked (`certify-revoked`); what another key signed is `certify-forged`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from agent import config, cose, sealing
from agent.sync.contract.enrol import (
    Certified,
    CertifyAnswer,
    CertifyRefused,
    EnrolAnswer,
    EnrolAsked,
    EnrolGranted,
    Enrolment,
    EnrolRefused,
    EnrolRequest,
    EnrolWaits,
    asked_hash,
    is_proven,
    open_certify,
    seal_info,
    sign_certify_answer,
    sign_enrol_answer,
)
from agent.sync.contract.errors import ContractError
from agent.sync.contract.topics import Address, Channel, enrol_down, enrol_id_of, parse_topic
from tools import bundles
from tools.platform import enrolments, revocation
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.closed_chains import close_all
from tools.platform.enrol_lists import lists_for
from tools.platform.enrolments import Stage
from tools.platform.ingest import UNKNOWN_TERMINAL, Reply
from tools.platform.registration_of import registration_of
from tools.platform.registrations import allow_new
from tools.platform.store import Store, Transaction

PLATFORM_SOURCE = "platform"


class Malformed(Exception):
    """Not what the contract says; nobody is answered."""


class EnrolDesk:
    """Takes what comes on the topics of enrolment and of renewal. Faults of the database are raised."""

    def __init__(self, store: Store, authority: Authority, given_out: BundleStore, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._given_out = given_out
        self._authority = authority
        self._now_ms = now_ms
        self._signer = cose.Es256Signer(authority.load_ack_key())

    def take(self, topic: str, payload: bytes) -> Reply | None:
        """One message; what it brings is durable on return."""
        with self._store.transaction() as transaction:
            try:
                enrol_id = enrol_id_of(topic)
            except ContractError:
                return self._certify(transaction, topic, payload)
            return self._enrol(transaction, enrol_id, payload)

    def _enrol(self, transaction: Transaction, enrol_id: str, payload: bytes) -> Reply | None:
        row = enrolments.find(transaction, enrol_id)
        terminal = UNKNOWN_TERMINAL if row is None else row.terminal
        try:
            request = EnrolRequest.decode(payload)
            asked = EnrolAsked.decode(request.asked)
        except ContractError:
            asked = None
        if asked is None or asked.id != enrol_id:
            self._alarm(transaction, terminal, "malformed")
            return None
        answer = self._judge(transaction, row, request, asked)
        if isinstance(answer, EnrolRefused):
            self._alarm(transaction, terminal, answer.code)
        return Reply(enrol_down(enrol_id), sign_enrol_answer(answer, self._signer))

    def _judge(
        self, transaction: Transaction, row: sa.Row[Any] | None, request: EnrolRequest, asked: EnrolAsked
    ) -> EnrolAnswer:
        bound: Any = {"id": asked.id, "asked": asked_hash(request.asked), "issued_ms": self._now_ms()}
        if row is None:
            return EnrolRefused(**bound, code="unknown")
        if not is_proven(request, self._authority.secret_of(asked.id)):
            return EnrolRefused(**bound, code="forged")
        if row.stage == Stage.REVOKED:
            return EnrolRefused(**bound, code="revoked")
        if row.asked is not None and row.asked != request.asked:
            return EnrolRefused(**bound, code="used")
        if row.stage != Stage.GRANTED and self._now_ms() > row.expires_ms:
            return EnrolRefused(**bound, code="expired")
        try:
            public = _requested(asked.request, row.terminal)
            recipient, checkpoint = _point(asked.sealing), _point(asked.checkpoint)
        except Malformed:
            return EnrolRefused(**bound, code="malformed")
        if row.certificate is None and not row.replaces and self._is_anothers(row.terminal, checkpoint):
            return EnrolRefused(**bound, code="used")
        if row.asked is None:
            enrolments.change(
                transaction, row.id, asked=request.asked, asked_ms=self._now_ms(), stage=Stage.ASKED.value
            )
        if row.confirms and row.stage in (Stage.OPEN, Stage.ASKED):
            return EnrolWaits(**bound)
        certificate = row.certificate or self._grant(transaction, row, public, (checkpoint, recipient))
        content = self._content(row, certificate, recipient)
        return EnrolGranted(**bound, sealed=sealing.seal(content, recipient, seal_info(asked.id, request.asked)))

    def _grant(
        self,
        transaction: Transaction,
        row: sa.Row[Any],
        public: ec.EllipticCurvePublicKey,
        own: tuple[ec.EllipticCurvePublicKey, ec.EllipticCurvePublicKey],
    ) -> bytes:
        with revocation.alone(self._authority):
            certificate = self._certified(row.terminal, public)
            self._authority.enrol(row.terminal, *own)
            if row.replaces:
                revocation.revoke_others(self._authority, row.terminal, keep=certificate)
        if row.closes:
            close_all(transaction, row.terminal, self._now_ms())
        der = certificate.public_bytes(Encoding.DER)
        if row.configuration is not None:
            # whoever chose a new terminal's configuration said with it what it may ask for
            allow_new(transaction, row.terminal, registration_of(config.parse(row.configuration, row.terminal, Path())))
        enrolments.revoke(transaction, row.terminal)
        granted = {"stage": Stage.GRANTED.value, "granted_ms": self._now_ms(), "certificate": der}
        enrolments.change(transaction, row.id, **granted)
        return der

    def _content(self, row: sa.Row[Any], certificate: bytes, recipient: ec.EllipticCurvePublicKey) -> bytes:
        return Enrolment(
            terminal=row.terminal,
            certificate=certificate,
            authority=self._authority.load_authority()[0].public_bytes(Encoding.DER),
            role_keys=bundles.keys_content(self._authority.public_keys()),
            medium_keys=((1, self._authority.medium_key.read_bytes()),),
            site=row.site,
            configuration=row.configuration,
            bundles=lists_for(self._authority, self._given_out, row.terminal, recipient, self._now_ms()),
        ).encode()

    def _certify(self, transaction: Transaction, topic: str, payload: bytes) -> Reply | None:
        try:
            address, channel = parse_topic(topic)
            if channel is not Channel.CERTIFY:
                return None
            answer = self._next(transaction, address.terminal, payload)
        except ContractError:
            return None
        return Reply(Address(address.terminal).topic(Channel.CERTIFIED), sign_certify_answer(answer, self._signer))

    def _next(self, transaction: Transaction, terminal: str, payload: bytes) -> CertifyAnswer:
        """The next certificate, the same for the same question. Raises ``ContractError`` where nobody is answered."""
        bound: Any = {"terminal": terminal, "asked": asked_hash(payload), "issued_ms": self._now_ms()}
        try:
            certify, signed_by = open_certify(payload, self._authority.checkpoint_keys(terminal), terminal)
            public, checkpoint = _requested(certify.request, terminal), _point(certify.checkpoint)
        except (ContractError, Malformed):
            transaction.alarm(terminal, PLATFORM_SOURCE, "certify-forged", self._now_ms())
            return CertifyRefused(**bound, code="forged")
        with revocation.alone(self._authority):
            certificate = self._certificate(terminal, signed_by, public, checkpoint)
        if certificate is None:
            transaction.alarm(terminal, PLATFORM_SOURCE, "certify-revoked", self._now_ms())
            return CertifyRefused(**bound, code="revoked")
        return Certified(**bound, certificate=certificate.public_bytes(Encoding.DER))

    def _certificate(
        self,
        terminal: str,
        signed_by: bytes,
        public: ec.EllipticCurvePublicKey,
        checkpoint: ec.EllipticCurvePublicKey,
    ) -> x509.Certificate | None:
        """What a terminal gets: the present box its next certificate, unless what it has was revoked.

        A box that hands on to another checkpoint key is the present one by the former until it has its answer: what was
        answered is answered again, and is no ground for anything else.
        """
        if revocation.is_out(self._authority, terminal) or self._is_revoked(terminal, public):
            return None
        current = self._authority.current_kid(terminal)
        if signed_by == current:
            certificate = self._certified(terminal, public)
            self._authority.enrol(terminal, checkpoint)  # last: cut short before, the same question comes to the same
            return certificate
        return self._held(terminal, public) if cose.VerifyKey.of(checkpoint).kid == current else None

    def _certified(self, terminal: str, public: ec.EllipticCurvePublicKey) -> x509.Certificate:
        """One key has one certificate that counts, however often it is asked for, and whatever a power cut left."""
        return self._held(terminal, public) or self._authority.certify(terminal, public)

    def _held(self, terminal: str, public: ec.EllipticCurvePublicKey) -> x509.Certificate | None:
        held = (given for given in self._given(terminal, public) if not revocation.is_revoked(self._authority, given))
        return next(held, None)

    def _is_revoked(self, terminal: str, public: ec.EllipticCurvePublicKey) -> bool:
        given = self._given(terminal, public)
        return any(revocation.is_revoked(self._authority, certificate) for certificate in given)

    def _given(self, terminal: str, public: ec.EllipticCurvePublicKey) -> list[x509.Certificate]:
        return [given for given in self._authority.given(terminal) if given.public_key() == public]

    def _is_anothers(self, terminal: str, checkpoint: ec.EllipticCurvePublicKey) -> bool:
        """Whether the terminal has another box's keys; its own are there after a power cut before a commit."""
        return bool(self._authority.checkpoint_keys(terminal).keys() - {cose.VerifyKey.of(checkpoint).kid})

    def _alarm(self, transaction: Transaction, terminal: str, code: str) -> None:
        transaction.alarm(terminal, PLATFORM_SOURCE, f"enrol-{code}", self._now_ms())


def _requested(request: bytes, terminal: str) -> ec.EllipticCurvePublicKey:
    """The key of a certificate request that is whole and this terminal's. Raises :class:`Malformed`."""
    try:
        csr = x509.load_der_x509_csr(request)
        public = csr.public_key()
        names = [name.value for name in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        valid = csr.is_signature_valid
    except Exception as error:  # what cryptography raises of hostile DER is no closed list
        raise Malformed from error
    if not valid or names != [terminal]:
        raise Malformed
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise Malformed
    return public


def _point(point: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise Malformed from error
