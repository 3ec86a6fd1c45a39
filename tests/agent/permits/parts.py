"""A platform that issues permits, technicians with devices, and what they sign for a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.bundles.check import Place
from agent.permits.acts import ServiceAct
from agent.permits.judge import Believed, Question, Span
from agent.permits.text import point_of, write_act, write_permit
from agent.sync.contract.permits import Act, Permit
from agent.sync.contract.wire import Message

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
CHALLENGE = b"12345"
HERE = Place("gate-7", "east-hall")
ISSUER = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
ISSUERS = cose.keyring([cose.VerifyKey.of(ISSUER.key.public_key())])
PERMITTING: list[Message] = [
    Permit(
        id=b"i" * 16, holder="t-17", roles=("maintainer",), device=b"\2" * 33, from_ms=0, until_ms=1, terminals=("a",)
    ),
    Permit(
        id=b"i" * 16,
        holder="t-17",
        roles=("maintainer", "keyholder"),
        device=b"\2" * 33,
        from_ms=0,
        until_ms=2**53 - 1,
        terminals=tuple(f"gate-{number}" for number in range(16)),
        sites=("east-hall",),
    ),
    Act(permit=b"p" * 2048, terminal="gate-7", act="service-clock", challenge=CHALLENGE),
]


@dataclass(frozen=True)
class Technician:
    """Somebody with a device; ``permit`` is what the platform gave, changed as a test wants it."""

    holder: str = "t-17"
    device: cose.Es256Signer = field(default_factory=lambda: cose.Es256Signer(ec.generate_private_key(ec.SECP256R1())))

    def permit(self, **changed: object) -> Permit:
        said: dict[str, object] = {
            "id": self.holder.encode().ljust(16, b"-"),
            "holder": self.holder,
            "roles": ("maintainer",),
            "device": point_of(self.device.key.public_key()),
            "from_ms": NOW_MS - DAY_MS,
            "until_ms": NOW_MS + DAY_MS,
            "sites": ("east-hall",),
        }
        return Permit.model_validate(said | changed)

    def signs(
        self,
        act: ServiceAct = ServiceAct.CLOCK,
        terminal: str = HERE.terminal,
        challenge: bytes = CHALLENGE,
        issuer: cose.Signer = ISSUER,
        **changed: object,
    ) -> str:
        return write_act(write_permit(self.permit(**changed), issuer), terminal, act.code, challenge, self.device)


def question(act: ServiceAct = ServiceAct.CLOCK, span: Span | None = None) -> Question:
    return Question(act, HERE, CHALLENGE, span or Span(NOW_MS, NOW_MS))


def believed(*revoked: bytes) -> Believed:
    return Believed(ISSUERS, lambda permit: permit in revoked)
