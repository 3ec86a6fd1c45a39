"""docs/code-format.md, its CDDL and its vectors agree with the code, and with a reader written from the page alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cddl_verifier import Validator  # type: ignore[import-untyped]  # it ships no types

import agent.credentials
from agent.credentials import cwt
from agent.credentials.ec1 import parse
from agent.signatures import SIGNATURE_BYTES, Algorithm, load_public
from profiles.api import Reason
from profiles.code_reasons import CodeReason
from tests.agent.credentials import second_reader
from tests.agent.credentials.code_parts import DYNAMIC, SUITES, Terminal, lists, vector
from tests.vectors.ec1.regenerate import invalid, vectors

CDDL = Validator(Path(agent.credentials.__file__).parent / "ec1.cddl")
PAGE = (Path(__file__).parents[3] / "docs" / "code-format.md").read_text(encoding="utf-8")
SIGNED = {"issuer_signature", "device_signature", "device", "code", "text"}


def told(rule: str, item: bytes) -> str:
    """What the CDDL has against ``item``; nothing if it is valid."""
    result = CDDL.validate(item, root_type=rule)
    return "" if result.valid else str(result.diagnostics)


def test_there_is_a_vector_for_every_mix_of_algorithms() -> None:
    mixes = {f"{issuer.name}-{device}".lower() for issuer in Algorithm for device in (*Algorithm.__members__, "static")}
    assert set(SUITES) == mixes


@pytest.mark.parametrize("name", SUITES)
def test_every_byte_but_the_signatures_follows_from_the_contents(name: str) -> None:
    stored: dict[str, Any] = vector(name)
    derived: Any = vectors()[name]
    for key in derived.keys() - SIGNED:
        assert derived[key] == stored[key], key
    unsigned = 2 * (parse(stored["text"]).issued.suite.issued_bytes - SIGNATURE_BYTES)
    assert derived["code"][:unsigned] == stored["code"][:unsigned]
    if stored["device"] is not None:
        device = stored["device"]
        aad = bytes.fromhex(stored["code"])[: parse(stored["text"]).issued.suite.issued_bytes]
        assert cbor2.loads(bytes.fromhex(device["device_signed"]))[2] == aad
        for key in derived["device"].keys() - {"device_signed", "device_signature"}:
            assert derived["device"][key] == device[key], key


@pytest.mark.parametrize("name", SUITES)
def test_the_stored_signatures_are_those_of_the_stored_keys(name: str) -> None:
    stored = vector(name)
    row = lists().trust
    assert row is not None
    issuer = row.rows[stored["issuer"], stored["kid"]].key
    assert issuer.verify(bytes.fromhex(stored["issuer_signature"]), bytes.fromhex(stored["issuer_signed"]))
    if stored["device"] is not None:
        device = stored["device"]
        key = load_public(Algorithm[device["algorithm"]], bytes.fromhex(device["key"]))
        assert key.verify(bytes.fromhex(device["device_signature"]), bytes.fromhex(device["device_signed"]))


@pytest.mark.parametrize("name", SUITES)
def test_a_valid_vector_reads_and_writes_itself(name: str) -> None:
    stored = vector(name)
    code = parse(stored["text"])
    assert (code.encode().hex(), code.text) == (stored["code"], stored["text"])


@pytest.mark.parametrize("name", SUITES)
def test_both_readers_accept_a_valid_vector_and_read_the_same(name: str) -> None:
    stored = vector(name)
    credential = Terminal().accept(stored["text"])
    other = second_reader.judge(stored["text"], vector("trust"))
    assert other == {key: stored[key] for key in ("token", "entitlements", "claims")}
    assert credential.medium.hex() == stored["token"]
    assert credential.entitlements == {"elder", "staff"}


@pytest.mark.parametrize("case", vector("invalid"), ids=lambda case: case["name"])
def test_both_readers_refuse_an_invalid_vector_for_the_same_reason(case: dict[str, str]) -> None:
    with pytest.raises(second_reader.Refused, match=f"^{case['reason']}$"):
        second_reader.judge(case["text"], vector("trust"))
    assert Terminal().reason(case["text"]) == case["reason"]


def test_the_invalid_vectors_are_those_that_the_command_writes() -> None:
    stored = [(case["name"], case["reason"]) for case in vector("invalid")]
    assert stored == [(name, reason) for name, _, reason in invalid()]


@pytest.mark.parametrize("name", SUITES)
def test_the_expansion_is_what_the_cddl_says(name: str) -> None:
    stored = vector(name)
    code, trust = parse(stored["text"]), lists().trust
    assert trust is not None
    expanded = cwt.expand(code, trust.rows[stored["issuer"], stored["kid"]])
    assert told("issuer-cwt", expanded) == ""
    assert cbor2.loads(expanded).value[2].hex() == stored["claims"]
    assert told("issuer-signed", bytes.fromhex(stored["issuer_signed"])) == ""
    shown = cwt.expand_shown(code)
    assert (shown is None) == (stored["device"] is None)
    if shown is not None:
        assert told("shown", shown) == ""
        assert told("device-signed", bytes.fromhex(stored["device"]["device_signed"])) == ""


def test_the_cddl_refuses_what_is_not_of_its_form() -> None:
    claims = cbor2.loads(bytes.fromhex(vector("es256-es256")["claims"]))
    assert told("claims", cbor2.dumps(claims, canonical=True)) == ""
    for wrong in ({7: bytes(15)}, {-70003: 2**32}, {8: {1: {1: 2}}}, {99: 1}, {1: b"city"}):
        assert told("claims", cbor2.dumps(claims | wrong, canonical=True)), wrong


def test_the_page_names_every_reason_that_a_code_can_get() -> None:
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", PAGE))
    assert {reason.code for reason in CodeReason} <= named
    assert {Reason.CODE_UNKNOWN.code, Reason.MEDIUM_LOST.code} <= named


def test_a_dynamic_code_fills_a_version_10_symbol_exactly() -> None:
    lengths = {name: len(vector(name)["text"]) for name in SUITES}
    assert {lengths[name] for name in DYNAMIC} == {309, 310}
    assert {lengths[name] for name in SUITES if name not in DYNAMIC} == {151}
