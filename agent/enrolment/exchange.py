"""The talk with the platform: ask until it grants or refuses. What answers another question changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from agent import cose
from agent.enrolment.code import key_of
from agent.enrolment.errors import EnrolError, EnrolFault, refusal
from agent.sync.bootstrap import Bootstrap, ImpostorError
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


def exchange(code: EnrolCode, asked: EnrolAsked, patience_s: float, waits: Callable[[], None]) -> EnrolGranted:
    """Ask until it is granted, ``patience_s`` at most; ``waits`` is told, once, that a person has to confirm.

    Raises :class:`EnrolError`.
    """
    keys = cose.keyring([key_of(code.answers)])
    started_s, heard = time.monotonic(), False
    while True:
        try:
            with Bootstrap(code) as line:
                while not line.is_over:
                    line.ask(enrol_request(asked, code.secret))
                    answer = _own(line.answer(ASK_EVERY_S), keys, asked)
                    if isinstance(answer, EnrolGranted):
                        return answer
                    if isinstance(answer, EnrolRefused):
                        raise refusal(answer.code)
                    if answer is not None:
                        if not heard:
                            heard = True
                            waits()
                        time.sleep(ASK_EVERY_S)
                    _check_patience(time.monotonic() - started_s, patience_s, heard=heard)
        except ImpostorError as error:
            raise EnrolError(EnrolFault.IMPOSTOR) from error
        except LinkError as error:
            raise EnrolError(EnrolFault.UNREACHABLE, tell(error)) from error


def _own(payload: bytes | None, keys: Mapping[bytes, cose.VerifyKey], asked: EnrolAsked) -> EnrolAnswer | None:
    """The platform's answer to what was asked; what a stranger sent, or was sent to another box, is none."""
    if payload is None:
        return None
    try:
        answer = open_enrol_answer(payload, keys, asked.id)
    except ContractError:
        return None
    return answer if answer.asked == asked_hash(asked.encode()) else None


def _check_patience(waited_s: float, patience_s: float, *, heard: bool) -> None:
    if not heard and waited_s > min(patience_s, SILENT_AFTER_S):
        raise EnrolError(EnrolFault.SILENT)
    if waited_s > patience_s:
        raise EnrolError(EnrolFault.UNCONFIRMED)
