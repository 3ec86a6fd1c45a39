"""Atheris over the verdict on a code: ``python -m tests.fuzz.code_harness [libFuzzer options]``.

Half of the inputs are texts as a camera gives them; the other half are bytes that get their prefix and Base45, so that
the fuzzer need not learn an encoding first. A verdict on any of them is a refusal, since the fuzzer has no keys.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped]  # it ships no types

with atheris.instrument_imports(include=["agent.credentials", "agent.cbor", "agent.signatures"]):
    from agent.credentials import base45
    from agent.credentials.ec1 import PREFIX
    from profiles.api import Rejected
    from tests.agent.credentials.code_parts import SUITES, Terminal, vector

TERMINAL = Terminal()
VALID = {vector(name)["text"] for name in SUITES}


def judge(data: bytes) -> None:
    """One input."""
    as_seen = data[:1] < b"\x80"
    text = data[1:].decode("utf-8", errors="replace") if as_seen else PREFIX + base45.encode(data[1:])
    verdict = TERMINAL.judge(text)
    assert isinstance(verdict, Rejected) or text in VALID


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
