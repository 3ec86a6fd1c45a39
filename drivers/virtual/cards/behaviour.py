"""Cards that misbehave: torn out, slow, talking nonsense, silent. Each wraps any other program."""

from __future__ import annotations

import random
import time

from pydantic import Field

from drivers.api import DriverSettings
from drivers.virtual.api import CardProgram, Torn

GARBAGE_MAX_BYTES = 64


class Behaviour(DriverSettings):
    """What is wrong with a presentation; all left out, nothing is."""

    tear_after: int | None = Field(default=None, ge=1, le=1000, description="leaves the field at this APDU")
    slow_ms: int | None = Field(default=None, ge=1, le=10_000, description="waits so long before every answer")
    garbage_seed: int | None = Field(default=None, ge=0, description="answers repeatable nonsense")
    mute: bool = Field(default=False, description="answers nothing at all")


def behave(program: CardProgram, behaviour: Behaviour) -> CardProgram:
    """The program with all that the behaviour asks for."""
    if behaviour.garbage_seed is not None:
        program = garbage(program, behaviour.garbage_seed)
    if behaviour.mute:
        program = mute(program)
    if behaviour.slow_ms is not None:
        program = slow(program, behaviour.slow_ms)
    if behaviour.tear_after is not None:
        program = tear_after(program, behaviour.tear_after)
    return program


def tear_after(program: CardProgram, apdus: int) -> CardProgram:
    """Leaves the field instead of answering the APDU of that number, counted from 1 after every reset."""
    return _TearAfter(program, apdus)


def slow(program: CardProgram, delay_ms: int) -> CardProgram:
    """Answers rightly, and late."""
    return _Slow(program, delay_ms)


def garbage(program: CardProgram, seed: int) -> CardProgram:
    """Answers up to 64 random bytes to everything; the same ones after every reset."""
    return _Garbage(program, seed)


def mute(program: CardProgram) -> CardProgram:
    """Answers to reset, and then no bytes to anything."""
    return _Mute(program)


class _Wrapped:
    """A program that passes everything on."""

    def __init__(self, program: CardProgram) -> None:
        self.atr = program.atr
        self.contactless = program.contactless
        self._program = program

    def reset(self) -> None:
        self._program.reset()

    def answer(self, apdu: bytes) -> bytes:
        return self._program.answer(apdu)


class _TearAfter(_Wrapped):
    def __init__(self, program: CardProgram, apdus: int) -> None:
        super().__init__(program)
        self._apdus = apdus
        self._seen = 0

    def reset(self) -> None:
        super().reset()
        self._seen = 0

    def answer(self, apdu: bytes) -> bytes:
        self._seen += 1
        if self._seen >= self._apdus:
            raise Torn
        return super().answer(apdu)


class _Slow(_Wrapped):
    def __init__(self, program: CardProgram, delay_ms: int) -> None:
        super().__init__(program)
        self._delay_s = delay_ms / 1000

    def answer(self, apdu: bytes) -> bytes:
        time.sleep(self._delay_s)
        return super().answer(apdu)


class _Garbage(_Wrapped):
    def __init__(self, program: CardProgram, seed: int) -> None:
        super().__init__(program)
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._random = random.Random(self._seed)  # noqa: S311 — repeatable nonsense, nothing secret

    def answer(self, apdu: bytes) -> bytes:  # noqa: ARG002 — nonsense listens to nothing
        return self._random.randbytes(self._random.randint(1, GARBAGE_MAX_BYTES))


class _Mute(_Wrapped):
    def answer(self, apdu: bytes) -> bytes:  # noqa: ARG002 — the mute do not listen
        return b""
