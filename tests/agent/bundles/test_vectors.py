"""The golden vectors, and the CDDL of docs/bundles.md held against every form by a third-party validator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
import zstandard
from cddl_verifier import Validator  # type: ignore[import-untyped]  # it ships no types

import agent.bundles
import tests.vectors.bundles
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Kind
from agent.bundles.table import Table
from tests.agent.bundles.parts import ALWAYS_FULL, DATA_KINDS, NOW_MS, Terminal, issue

VECTORS = Path(tests.vectors.bundles.__file__).parent
CDDL = Validator(Path(agent.bundles.__file__).parent / "bundle.cddl")
SHAPES = {Kind.KEYS: "keys", Kind.TRUST: "trust", Kind.HCERT: "hcert", Kind.PRICES: "price-list", Kind.TARIFF: "tariff"}


def vector(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def told(rule: str, payload: bytes) -> str:
    """What the CDDL has against ``payload``; nothing if it is valid."""
    result = CDDL.validate(payload, root_type=rule)
    return "" if result.valid else str(result.diagnostics)


def parts_of(bundle: bytes) -> tuple[bytes, bytes]:
    """Envelope, and what the body inflates to."""
    end = 6 + int.from_bytes(bundle[4:6], "big")
    return bundle[6:end], zstandard.decompress(bundle[end:])


@pytest.mark.parametrize("kind", DATA_KINDS)
async def test_a_full_bundle_and_its_delta_lead_to_the_contents_of_the_vectors(terminal: Terminal, kind: Kind) -> None:
    told_by_vector = vector(kind.value)
    for version, (bundle, content) in enumerate((("full", "content"), ("delta", "content_after")), start=1):
        await terminal.install(bytes.fromhex(told_by_vector[bundle]))
        (name,) = terminal.standing()
        installed = (terminal.state_dir / "bundles" / f"{name}.{version}").read_bytes()
        assert installed == bytes.fromhex(told_by_vector[content])


@pytest.mark.parametrize("kind", ALWAYS_FULL)
async def test_what_is_always_a_full_bundle_is_taken(terminal: Terminal, kind: Kind) -> None:
    assert vector("place")["now_ms"] == NOW_MS
    await terminal.install(bytes.fromhex(vector(kind.value)["full"]))
    assert terminal.standing() == {issue(kind).name: 1}


@pytest.mark.parametrize("case", vector("invalid"), ids=lambda case: case["fault"])
async def test_an_invalid_vector_is_refused_for_its_fault(terminal: Terminal, case: dict[str, str]) -> None:
    with pytest.raises(BundleError) as caught:
        await terminal.install(bytes.fromhex(case["bundle"]))
    assert caught.value.fault.code == case["fault"]


def test_every_fault_that_one_file_alone_can_show_has_a_vector() -> None:
    needs_more = {
        BundleFault.UNREADABLE,
        BundleFault.MANIFEST,
        BundleFault.ROLLBACK,
        BundleFault.INSTALLED,
        BundleFault.SAME_VERSION,
        BundleFault.TOO_MANY,
    }
    assert {case["fault"] for case in vector("invalid")} == {fault.code for fault in set(BundleFault) - needs_more}


@pytest.mark.parametrize("kind", list(Kind))
def test_every_form_is_what_the_cddl_says(kind: Kind) -> None:
    told_by_vector = vector(kind.value)
    envelope, content = parts_of(bytes.fromhex(told_by_vector["full"]))
    assert content == bytes.fromhex(told_by_vector["content"])
    assert told("envelope", envelope) == ""
    if kind in SHAPES:
        assert told(SHAPES[kind], content) == ""
    if kind is Kind.TRUST:
        assert told("trust-delta", parts_of(bytes.fromhex(told_by_vector["delta"]))[1]) == ""
    if kind is Kind.HCERT:
        assert told("hcert-delta", parts_of(bytes.fromhex(told_by_vector["delta"]))[1]) == ""
    if kind is Kind.ROSTER:
        row = next(Table.open(content).rows())
        assert told("person", row[18 : 18 + int.from_bytes(row[16:18], "big")]) == ""


@pytest.mark.parametrize("change", [{0: 2}, {1: "prices"}, {3: 0}, {8: "everybody"}, {9: b"short"}, {12: 0}, {13: 1}])
def test_the_cddl_refuses_what_is_not_of_its_form(change: dict[int, object]) -> None:
    envelope, _ = parts_of(bytes.fromhex(vector("status")["full"]))
    fields = cbor2.loads(cbor2.loads(envelope).value[2])
    assert told("manifest", cbor2.dumps(fields, canonical=True)) == ""
    assert told("manifest", cbor2.dumps({**fields, **change}, canonical=True))
