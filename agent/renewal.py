"""The next certificate, long before the present one ends: asked for over the ordinary link, in force without a gap.

From the last third of a certificate's life on it is asked for, by the checkpoint key, for a new TLS key. The answer is
signed by the platform and names the question; the certificate must be for that key, this terminal, and of the authority
that the broker's is of. Then the link connects anew; records wait in the outbox meanwhile, as at any reconnection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from agent import cose
from agent.clock import Clock, Random
from agent.keys import KeyStore, KeyStoreError, Own
from agent.logs import log
from agent.sync.contract.enrol import Certified, Certify, asked_hash, open_certify_answer, sign_certify
from agent.sync.contract.errors import ContractError
from agent.threads import in_thread
from agent.words import tell
from profiles.api import ClockState

CHECK_S = 300.0
SETTLE_S = 2.0
"""On a new link the platform first says the time: by a clock that nobody vouches for no certificate is near its end."""
ANSWER_S = 30.0
LAST_SHARE = 3
"""It is asked for in the last third of a life: for three years' certificates, a year before their end."""
_NONCE_BYTES = 16


class Renewal:
    """One task on the event loop. ``publish`` sends on ``up/certify``; ``renewed`` hears that the pair has changed."""

    def __init__(
        self,
        terminal: str,
        keys: KeyStore,
        answer_keys: Callable[[], Mapping[bytes, cose.VerifyKey]],
        clock: Clock,
        random: Random,
        publish: Callable[[bytes], bool],
        renewed: Callable[[], None],
    ) -> None:
        self._terminal = terminal
        self._keys = keys
        self._answer_keys = answer_keys
        self._clock = clock
        self._random = random
        self._publish = publish
        self._renewed = renewed
        self._look = asyncio.Event()
        self._asked = b""
        self._answer: asyncio.Future[Certified] | None = None
        self.ends_ms: int | None = None
        """When the certificate that the link shows ends; ``None`` before somebody has looked."""
        self._log = log(terminal=terminal)

    async def run(self) -> None:
        """Until cancelled: look whether it is time, and ask until there is an answer."""
        while True:
            self._look.clear()
            try:
                await self.once()
            except KeyStoreError as error:
                self._log.error("certificate could not be renewed", detail=tell(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_S):
                    await self._look.wait()
                    await asyncio.sleep(SETTLE_S)

    def connected(self) -> None:
        """The link is up: it can be asked."""
        self._look.set()

    async def once(self) -> bool:
        """Ask if it is time; whether there is a new certificate. Raises :class:`KeyStoreError`."""
        term = await in_thread(self._term, "certificate")
        self.ends_ms = None if term is None else round(term[1] * 1000)
        if term is None or self._clock.state() is ClockState.UNTRUSTED or not self._is_due(*term):
            return False
        question = await in_thread(self._question, "certificate")
        self._asked, self._answer = asked_hash(question), asyncio.get_running_loop().create_future()
        try:
            if not self._publish(question):
                return False
            async with asyncio.timeout(ANSWER_S):
                certified = await self._answer
        except TimeoutError:
            return False
        finally:
            self._answer = None
        if not await in_thread(lambda: self._adopt(certified.certificate), "certificate"):
            self._log.error("certificate could not be renewed", problem="not-ours")
            return False
        self._log.info("certificate renewed")
        self._renewed()
        return True

    def answered(self, payload: bytes) -> None:
        """Something came on ``down/certified``; what answers another question, or nobody signed, is nothing."""
        waiting = self._answer
        if waiting is None or waiting.done():
            return
        try:
            answer = open_certify_answer(payload, self._answer_keys(), self._terminal)
        except ContractError:
            return
        if answer.terminal != self._terminal or answer.asked != self._asked:
            return
        if isinstance(answer, Certified):
            waiting.set_result(answer)
        else:
            self._log.error("certificate could not be renewed", problem=answer.code)

    def _term(self) -> tuple[float, float] | None:
        """When the certificate begins and ends, Unix seconds."""
        try:
            held = x509.load_pem_x509_certificate(self._keys.tls_files().certificate.read_bytes())
        except (KeyStoreError, OSError, ValueError):
            return None  # the link is the one who says what is wrong with it
        return held.not_valid_before_utc.timestamp(), held.not_valid_after_utc.timestamp()

    def _is_due(self, begins: float, ends: float) -> bool:
        return self._clock.now_ms() / 1000 > ends - (ends - begins) / LAST_SHARE

    def _question(self) -> bytes:
        signer = self._keys.checkpoint_signer()
        certify = Certify(
            nonce=self._random.token(_NONCE_BYTES),
            request=self._keys.certificate_request(self._terminal),
            checkpoint=self._keys.checkpoint_public().public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
        )
        return sign_certify(certify, signer, self._terminal)

    def _adopt(self, der: bytes) -> bool:
        """Put it in force if it is what was asked for; whether it is."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            certificate.verify_directly_issued_by(
                x509.load_pem_x509_certificate(self._keys.tls_files().ca.read_bytes())
            )
        except (ValueError, TypeError, OSError, InvalidSignature):
            return False
        names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        wanted = self._keys.next_public(Own.TLS).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if names != [self._terminal] or public != wanted:
            return False
        self._keys.adopt(certificate.public_bytes(Encoding.PEM))
        return True
