"""The talk with the platform: ask until it grants or refuses. What answers another question changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from agent import cose
from agent.enrolment.code import key_of
from agent.enrolment.errors import EnrolError, EnrolFault, refusal
from agent.sync.bootstrap import Bootstrap, BrokenOffError, ImpostorError
from agent.sync.contract.enrol import (
    EnrolAnswer,
    EnrolAsked,
    EnrolCode,
    EnrolGranted,
    EnrolRefused,
    asked_hash,
    enrol_request,
    open_enrol_answer,
)
from agent.sync.contract.errors import ContractError
from agent.sync.faults import LinkError
from agent.words import tell

ASK_EVERY_S = 1.0
SILENT_AFTER_S = 20.0
CONNECT_TRIES = 3
"""One after another, until the line stands: a broker that starts anew breaks one off, and takes the next."""


def exchange(code: EnrolCode, asked: EnrolAsked, patience_s: float, waits: Callable[[], None]) -> EnrolGranted:
    """Ask until it is granted, ``patience_s`` at most; ``waits`` is told, once, that a person has to confirm.

    Raises :class:`EnrolError`.
    """
    talk = _Talk(code, asked, patience_s, waits)
    tries = 0
    while True:
        try:
            with Bootstrap(code) as line:
                tries = 0
                granted = talk.over(line)
            if granted is not None:
                return granted
        except ImpostorError as error:
            raise EnrolError(EnrolFault.IMPOSTOR) from error
        except LinkError as error:
            tries += 1
            if not isinstance(error, BrokenOffError) or tries == CONNECT_TRIES or talk.waited_s > patience_s:
                raise EnrolError(EnrolFault.UNREACHABLE, tell(error)) from error
        time.sleep(ASK_EVERY_S)


class _Talk:
    """What is asked and heard, over one line after another."""

    def __init__(self, code: EnrolCode, asked: EnrolAsked, patience_s: float, waits: Callable[[], None]) -> None:
        self._asked = asked
        self._request = enrol_request(asked, code.secret)
        self._keys = cose.keyring([key_of(code.answers)])
        self._patience_s = patience_s
        self._waits = waits
        self._heard = False
        self._started_s = time.monotonic()

    @property
    def waited_s(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._started_s

    def over(self, line: Bootstrap) -> EnrolGranted | None:
        """Ask until it is granted; ``None`` if the broker ends the line before. Raises :class:`EnrolError`."""
        while not line.is_over:
            line.ask(self._request)
            answer = _own(line.answer(ASK_EVERY_S), self._keys, self._asked)
            if isinstance(answer, EnrolGranted):
                return answer
            if isinstance(answer, EnrolRefused):
                raise refusal(answer.code)
            if answer is not None:
                self._tell_once()
                time.sleep(ASK_EVERY_S)
            self._check_patience()
        self._check_patience()
        return None

    def _tell_once(self) -> None:
        if not self._heard:
            self._heard = True
            self._waits()

    def _check_patience(self) -> None:
        waited_s = self.waited_s
        if not self._heard and waited_s > min(self._patience_s, SILENT_AFTER_S):
            raise EnrolError(EnrolFault.SILENT)
        if waited_s > self._patience_s:
            raise EnrolError(EnrolFault.UNCONFIRMED)


def _own(payload: bytes | None, keys: Mapping[bytes, cose.VerifyKey], asked: EnrolAsked) -> EnrolAnswer | None:
    """The platform's answer to what was asked; what a stranger sent, or was sent to another box, is none."""
    if payload is None:
        return None
    try:
        answer = open_enrol_answer(payload, keys, asked.id)
    except ContractError:
        return None
    return answer if answer.asked == asked_hash(asked.encode()) else None
