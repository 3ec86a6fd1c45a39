"""Writes the golden vectors of docs/bundles.md anew: ``python -m tests.vectors.bundles.regenerate``.

Keys follow from their names; signatures and seals differ from one run to the next.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from agent.bundles.manifest import Kind
from tests.agent.bundles.parts import (
    ALWAYS_FULL,
    BUNDLE,
    DATA_KINDS,
    NOW_MS,
    PLACE,
    SIGNERS,
    Terminal,
    issue,
    key_of,
    pem,
    private_pem,
    signer_for,
)
from tools import bundles as platform

HERE = Path(__file__).parent


def full_and_delta(terminal: Terminal, kind: Kind) -> dict[str, str]:
    """A full bundle, the delta to the next version, and the content after each."""
    fulls = [
        platform.full_bundle(issue(kind, version), terminal.content(kind, version), signer_for(kind))
        for version in (1, 2)
    ]
    first, second = (terminal.parsed(full) for full in fulls)
    return {
        "full": fulls[0].hex(),
        "content": first.content.hex(),
        "delta": platform.delta_bundle(first, second, signer_for(kind)).hex(),
        "content_after": second.content.hex(),
    }


def invalid(terminal: Terminal) -> list[dict[str, str]]:
    """Bundles that a terminal without any refuses, each with its fault."""
    good = terminal.full(Kind.STATUS)
    start = 6 + int.from_bytes(good[4:6], "big")
    flipped = bytearray(good)
    flipped[start] ^= 1
    wrong_role = platform.full_bundle(issue(Kind.TRUST), terminal.content(Kind.TRUST), BUNDLE)
    bundles = {
        "not-a-bundle": good[1:],
        "signature": good[: start - 1] + bytes([good[start - 1] ^ 1]) + good[start:],
        "wrong-role": wrong_role,
        "audience": terminal.full(Kind.STATUS, audience="terminal:gate-8"),
        "wrong-base": terminal.delta(Kind.STATUS, 1, 2),
        "expired": terminal.full(Kind.STATUS, expires_ms=NOW_MS - 1000, grace_ms=0),
        "future": terminal.full(Kind.STATUS, issued_ms=NOW_MS + 2 * 86_400_000),
        "truncated": good[:-1],
        "altered": bytes(flipped),
        "content": platform.full_bundle(issue(Kind.EMERGENCY), b"no table", BUNDLE),
    }
    return [{"fault": fault, "bundle": bundle.hex()} for fault, bundle in bundles.items()]


def write(name: str, value: object) -> None:
    """One file of vectors."""
    (HERE / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Write every file."""
    with tempfile.TemporaryDirectory() as directory:
        terminal = Terminal(Path(directory) / "state")
        write(
            "place.json",
            {
                "now_ms": NOW_MS,
                "terminal": PLACE.terminal,
                "site": PLACE.site,
                "sealing_key": private_pem(key_of("sealing")).decode(),
                "platform_keys": {role.value: pem(signer).decode() for role, signer in SIGNERS.items()},
            },
        )
        for kind in DATA_KINDS:
            write(f"{kind.value}.json", full_and_delta(terminal, kind))
        for kind in ALWAYS_FULL:
            write(f"{kind.value}.json", {"full": terminal.full(kind).hex(), "content": terminal.content(kind).hex()})
        write("invalid.json", invalid(terminal))
        terminal.stop()


if __name__ == "__main__":
    main()
