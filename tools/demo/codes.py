"""The scenes of the citizen code: a phone before the camera, and whom the gate believes."""

from __future__ import annotations

import time
from functools import cached_property

from agent.keys import Role
from agent.signatures import Algorithm
from profiles.api import Reason
from profiles.code_reasons import CodeReason
from profiles.passage import PassageReason
from profiles.reasons import ReasonEnum
from tools import city
from tools.city import Issuer, Phone
from tools.demo.stage import Stage, StageError

WAIT_S = 15.0
SCREENSHOT_AGE_S = 61
OUT_OF_VIEW_S = 2.0
"""Longer than the camera's ``gap_ms``: the same code in the picture again is then another showing of it."""
_REVOKED_ENTRY = 5


class Codes:
    """A city's issuers and phones, made when the first scene needs them."""

    @cached_property
    def issuer(self) -> Issuer:
        """The city's issuer, on ES256."""
        return Issuer.found(1, Algorithm.ES256, _now_ms())

    @cached_property
    def national(self) -> Issuer:
        """Another trusted issuer, on SM2 with SM3 (国密)."""
        return Issuer.found(2, Algorithm.SM2, _now_ms())

    @cached_property
    def phone(self) -> Phone:
        """A member of staff."""
        return _staff(self.issuer, status_index=1)

    @cached_property
    def shown(self) -> str:
        """The one code that is shown twice."""
        return self.phone.code(_now_s())

    def lists(self, stage: Stage) -> None:
        """Trust list and deny lists arrive while the gate runs."""
        root, lists = stage.signer(Role.ROOT), stage.signer(Role.BUNDLE)
        issuers = (self.issuer, self.national)
        stage.install("trust", city.trust_list(issuers, [stage.sealing_key()], root, _now_ms()))
        for issuer in issuers:
            stage.install(f"deny-{issuer.key.issuer}", city.deny_list(issuer, 1, (), lists, _now_ms()))

    def valid(self, stage: Stage) -> None:
        """A fresh code opens."""
        _pass(stage, self.shown)

    def replayed(self, stage: Stage) -> None:
        """The same showing, filmed over the shoulder, opens nothing.

        A camera takes what comes back within its ``gap_ms`` for the showing that it has seen. Where this machine
        stalls, its gap has not ended when ours has: then the phone is held up once more.
        """
        for last in (False, False, True):
            time.sleep(OUT_OF_VIEW_S)
            try:
                _refused(stage, self.shown, CodeReason.REPLAYED)
            except StageError:
                if last:
                    raise
            else:
                return

    def screenshot(self, stage: Stage) -> None:
        """Nor does a picture of a code that was shown a minute ago."""
        _refused(stage, self.phone.code(_now_s() - SCREENSHOT_AGE_S), CodeReason.STALE)

    def expired(self, stage: Stage) -> None:
        """A phone that was offline for too long."""
        phone = Phone(self.issuer, self.issuer.grant(2, ["staff"], _now_s() - 3 * 3600, ttl_h=1))
        _refused(stage, phone.code(_now_s()), CodeReason.EXPIRED)

    def sm2(self, stage: Stage) -> None:
        """The national algorithms open as well."""
        _pass(stage, _staff(self.national, status_index=1).code(_now_s()))

    def revoked(self, stage: Stage) -> None:
        """A deny list takes effect at once: the phone passes before, and not after."""
        phone = _staff(self.issuer, _REVOKED_ENTRY)
        _pass(stage, phone.code(_now_s()))
        denied = city.deny_list(self.issuer, 2, (_REVOKED_ENTRY,), stage.signer(Role.BUNDLE), _now_ms())
        stage.install("deny-1", denied)
        _refused(stage, phone.code(_now_s()), CodeReason.REVOKED)

    def static(self, stage: Stage) -> None:
        """A printed code, which anybody can copy."""
        _refused(stage, self.issuer.printed(self.issuer.grant(3, ["staff"], _now_s())), CodeReason.STATIC_REFUSED)

    def unknown(self, stage: Stage) -> None:
        """A code of somebody whom no signed list names."""
        stranger = Issuer.found(9, Algorithm.ED25519, _now_ms())
        _refused(stage, _staff(stranger, status_index=1).code(_now_s()), CodeReason.ISSUER_UNKNOWN)


def _staff(issuer: Issuer, status_index: int) -> Phone:
    return Phone(issuer, issuer.grant(status_index, ["staff"], _now_s()))


def _pass(stage: Stage, text: str) -> None:
    with stage.showing(text):
        stage.await_decision(Reason.GRANTED.code, WAIT_S)
        with stage.pressing("passage"):
            stage.await_event("outcome", WAIT_S, reason=PassageReason.PASSED.code)


def _refused(stage: Stage, text: str, reason: ReasonEnum) -> None:
    with stage.showing(text):
        stage.await_decision(reason.code, WAIT_S)


def _now_s() -> int:
    return int(time.time())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
