"""Whatever stands in a code, there is a verdict: a reason, never an exception, and never a grant for a changed code."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.credentials import base45
from agent.credentials.ec1 import PREFIX, STATIC_BYTES, parse
from agent.signatures import Algorithm, KeyInvalid, PublicKey, load_public
from profiles.api import Rejected
from profiles.purpose import Purpose
from tests.agent.credentials.code_parts import DYNAMIC, SUITES, Terminal, vector
from tests.vectors.ec1.regenerate import GRANT, NOW_S, device_key, issuing_key
from tools.citizen_code import issue, show

TEXTS = {name: vector(name)["text"] for name in SUITES}
SIZES = (98, 203, 204)
UNPROVED = {
    "code-suite-unknown",
    "code-damaged",
    "code-issuer-unknown",
    "code-issuer-key-invalid",
    "code-forged",
    "code-device-forged",
}


def recoded(data: bytes) -> str:
    return PREFIX + base45.encode(data)


@pytest.mark.parametrize("name", SUITES)
def test_no_single_bit_can_be_changed(name: str) -> None:
    terminal, data = Terminal(), parse(TEXTS[name]).encode()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit >> 3] ^= 1 << (bit & 7)
        assert terminal.reason(recoded(bytes(changed))) in UNPROVED, bit


@pytest.mark.parametrize("name", SUITES)
def test_no_single_character_can_be_changed(name: str) -> None:
    terminal, rng = Terminal(), random.Random(name)
    text = TEXTS[name]
    for at in range(len(text)):
        other = rng.choice([char for char in base45.ALPHABET + "a\n中" if char != text[at]])
        assert terminal.reason(text[:at] + other + text[at + 1 :]), at


@pytest.mark.parametrize("name", SUITES)
def test_nothing_can_be_cut_off_or_put_behind(name: str) -> None:
    terminal, text, data = Terminal(), TEXTS[name], parse(TEXTS[name]).encode()
    for size in range(len(text)):
        assert terminal.reason(text[:size]) in {"code-damaged", "code-unknown"}
    for size in range(len(data)):
        assert terminal.reason(recoded(data[:size])) == "code-damaged"
    for behind in ("\n", "\r\n", " ", "0", "00", "000", "\0", text):
        assert terminal.reason(text + behind) == "code-damaged"


@pytest.mark.parametrize("name", DYNAMIC)
def test_a_stripped_device_signature_never_passes_for_a_static_code(name: str) -> None:
    terminal, code = Terminal(), parse(TEXTS[name])
    issued = code.issued.encode()
    assert terminal.reason(recoded(issued)) == "code-damaged"
    static = bytes([issued[0] & 0xF0]) + issued[1:34] + issued[-64:]
    assert len(static) == STATIC_BYTES
    assert terminal.reason(recoded(static)) == "code-forged"
    assert terminal.reason(recoded(bytes([issued[0] & 0xF0]) + code.encode()[1:])) == "code-damaged"


def test_one_phones_showing_never_proves_another_credential() -> None:
    codes = [parse(TEXTS[name]).encode() for name in DYNAMIC]
    for credential in codes:
        for showing in codes:
            if credential is not showing:
                assert Terminal().reason(recoded(credential[:-73] + showing[-73:])) == "code-device-forged"


def test_zero_and_full_signatures_are_wrong_signatures() -> None:
    for name in SUITES:
        data = parse(TEXTS[name]).encode()
        for filler in (b"\x00", b"\xff"):
            assert Terminal().reason(recoded(data[:-64] + 64 * filler)) in {"code-forged", "code-device-forged"}


def test_a_device_key_off_its_curve_is_refused_though_the_issuer_signed_it() -> None:
    city, phone = issuing_key(Algorithm.ES256), device_key(Algorithm.ES256)
    off = 0
    for x in range(16):  # half of all x belong to no point; this issuer signs without looking
        encoded = b"\x02" + x.to_bytes(32, "big")
        off += not is_key(encoded)
        key = PublicKey(Algorithm.ES256, encoded, lambda signature, data: False)
        code = show(issue(city, GRANT, key), phone, NOW_S, Purpose.PASS, bytes(4))
        assert Terminal().reason(code.text) == "code-device-forged"
    assert off


def is_key(encoded: bytes) -> bool:
    try:
        load_public(Algorithm.ES256, encoded)
    except KeyInvalid:
        return False
    return True


def test_four_thousand_characters_cost_nothing_and_give_a_reason() -> None:
    terminal = Terminal()
    for prefix in ("", PREFIX, "https://", "HC1:", "WIFI:", "000201"):
        for filler in "A09:中":
            assert isinstance(terminal.judge((prefix + 4_000 * filler)[:4_000]), Rejected)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400) | st.text(alphabet=string.printable, max_size=400))
def test_any_text_gets_a_reason(text: str) -> None:
    assert isinstance(Terminal().judge(text), Rejected)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=220) | st.sampled_from(SIZES).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_any_bytes_behind_the_prefix_get_a_reason(data: bytes) -> None:
    assert isinstance(Terminal().judge(recoded(data)), Rejected)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(SUITES),
    st.lists(st.tuples(st.integers(1, 203), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_any_patch_of_a_valid_code_gets_a_reason_or_changes_nothing(name: str, patches: list[tuple[int, int]]) -> None:
    data = bytearray(parse(TEXTS[name]).encode())
    for at, value in patches:
        data[at % len(data)] = value
    text = recoded(bytes(data))
    assert bool(Terminal().reason(text)) == (text != TEXTS[name])


def test_nothing_of_a_code_stands_in_what_is_raised_or_shown() -> None:
    code = parse(TEXTS["es256-es256"])
    shown = repr(code)
    secrets = (code.issued.masked, code.issued.device_key, code.issued.signature)
    assert all(repr(secret) not in shown for secret in secrets)
