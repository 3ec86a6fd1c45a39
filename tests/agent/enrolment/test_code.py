"""The enrolment code as text: what is read, and what is refused as what."""

from __future__ import annotations

from random import Random as Seeded

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent import cose
from agent.enrolment import code as enrol_code
from agent.enrolment.errors import EnrolError, EnrolFault
from tests.agent.sync.enrolling import CODE
from tools.cli import qr

ROOT = ec.generate_private_key(ec.SECP256R1())
SIGNER = cose.Es256Signer(ROOT)
POINT = ROOT.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
OURS = CODE.model_copy(update={"root": POINT})
TEXT = enrol_code.write(OURS, SIGNER)


def refused(text: str, roots: frozenset[bytes] = frozenset()) -> EnrolFault:
    with pytest.raises(EnrolError) as caught:
        enrol_code.read(text, roots)
    return caught.value.fault


def test_a_code_comes_back_as_it_went_also_by_hand_and_by_mail() -> None:
    assert enrol_code.read(TEXT) == OURS
    assert enrol_code.read(TEXT, {SIGNER.kid}) == OURS
    broken = "\n".join(TEXT[at : at + 60] for at in range(0, len(TEXT), 60))
    assert enrol_code.read(f"  {broken.lower()} \n") == OURS


def test_it_fits_a_symbol_that_a_phone_shows() -> None:
    assert int(qr.symbol(TEXT).version) <= 15


def test_the_secret_shows_in_no_repr() -> None:
    assert OURS.secret.hex() not in repr(OURS)
    assert "ssss" not in repr(OURS)


@pytest.mark.parametrize("text", ["", "hello", "ONECARD:", "ONECARD:!!!", "ONECARD:" + "A" * 5000, TEXT[:-8], TEXT[9:]])
def test_what_is_no_code_is_said_to_be_none(text: str) -> None:
    assert refused(text) is EnrolFault.CODE


def test_no_changed_character_passes() -> None:
    draw = Seeded(7)
    for _ in range(300):
        at = draw.randrange(len(enrol_code.PREFIX), len(TEXT))
        other = draw.choice([each for each in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if each != TEXT[at]])
        changed = TEXT[:at] + other + TEXT[at + 1 :]
        if at < len(TEXT) - 1:  # the last character has spare bits
            assert refused(changed) in (EnrolFault.CODE, EnrolFault.FORGED_CODE)


def test_another_platforms_code_is_foreign_to_a_box_that_trusts_a_root() -> None:
    assert refused(TEXT, frozenset({b"another!"})) is EnrolFault.FOREIGN


def test_a_code_signed_by_another_key_than_it_names_is_forged() -> None:
    forged = enrol_code.write(OURS, cose.Es256Signer(ec.generate_private_key(ec.SECP256R1())))
    assert refused(forged) is EnrolFault.FORGED_CODE


def test_a_code_with_a_point_off_the_curve_is_none() -> None:
    assert refused(enrol_code.write(CODE, SIGNER)) is EnrolFault.CODE
