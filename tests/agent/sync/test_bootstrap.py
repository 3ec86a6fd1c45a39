"""The line of a box that has no certificate yet: whom it takes for its broker."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent.permits.text import point_of
from agent.sync import bootstrap
from agent.sync.bootstrap import ImpostorError
from agent.sync.contract.enrol import EnrolCode
from tests.agent.credentials.health_issuer import Signer

VERSION_3 = bytes.fromhex("a003020102")


def code_of(authority: ec.EllipticCurvePrivateKey) -> EnrolCode:
    point = point_of(authority.public_key())
    return EnrolCode(
        id="0" * 16, secret=b"s" * 16, terminal="gate-7", expires_ms=1, host="127.0.0.1", port=8884,
        root=point, answers=point, authority=point,
    )  # fmt: skip


@pytest.mark.parametrize("version", [0, 1, 2, 7])
def test_whoever_shows_a_certificate_of_its_own_or_of_no_known_version_is_an_impostor(version: int) -> None:
    code = code_of(ec.generate_private_key(ec.SECP256R1()))
    shown = Signer.make(ec.generate_private_key(ec.SECP256R1())).der
    assert VERSION_3 in shown
    with pytest.raises(ImpostorError):
        bootstrap._check(shown.replace(VERSION_3, VERSION_3[:-1] + bytes((version,)), 1), code)
