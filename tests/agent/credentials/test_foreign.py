"""Other people's codes are told apart, refused with their own reason, and nothing of them is kept."""

from __future__ import annotations

import pytest

from agent.credentials.foreign import classify
from agent.credentials.register import SiteRegister
from agent.credentials.verify import Verifier
from profiles.api import Rejected
from profiles.foreign import ForeignShown
from profiles.rules.codes import AskingCodes
from tests.agent.credentials.code_parts import SUITES, Terminal, vector

CODES = {
    "134680000000000001": "payment-code",  # WeChat Pay
    "100000000000000000": "payment-code",
    "159999999999999999": "payment-code",
    "2876543210987654": "payment-code",  # Alipay, 16 digits
    "281234567890123456": "payment-code",
    "300000000000000000000000": "payment-code",
    "6212345678901234567": "payment-code",  # UnionPay QuickPass
    "0112345678901234567": "payment-code",  # digital yuan
    "00020101021126580014": "merchant-code",
    "00020201021226580014": "merchant-code",
    "wxp://f2f0abc": "merchant-code",
    "https://qr.alipay.com/fkx00000": "merchant-code",
    "https://QR.95516.com/00010000/62": "merchant-code",
    "3101" + "0" * 24: "medical-insurance-code",
    "https://fuwu.nhsa.gov.cn/q/1": "medical-insurance-code",
    "https://si.12333.gov.cn/q": "social-security-code",
    "https://jkm.example.gov.cn/?t=1": "health-code",
    "HC1:6BFOXN": "health-certificate",
    "WIFI:T:WPA;S:home;P:secret;;": "wifi-code",
    "wifi:S:home;;": "wifi-code",
    "https://example.org/": "link-code",
    "HTTP://EXAMPLE.ORG": "link-code",
    "https://example.org/jkm": "link-code",
    "https://12333.gov.cn.example.org/": "link-code",
}
UNKNOWN = [
    "",
    "EC1:",
    "9787302511625",  # an ISBN
    "17" + "0" * 16,  # no payment service uses 17
    "13468000000000000",  # one digit less
    "1346800000000000012",
    "１３４６８０００００００００００００1",  # full-width digits
    "ftp://example.org",
    "x" * 4_000,
    "A https://example.org",
]


@pytest.mark.parametrize("text", CODES)
def test_a_foreign_code_is_refused_as_what_it_is(text: str) -> None:
    verdict = Terminal().judge(text)
    assert isinstance(verdict, Rejected)
    assert verdict.reason.code == CODES[text]
    assert verdict == Rejected(verdict.reason)


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_nobody_knows_is_not_guessed(text: str) -> None:
    assert classify(text) is None


@pytest.mark.parametrize("name", SUITES)
def test_a_citizen_code_is_nobody_elses(name: str) -> None:
    assert classify(vector(name)["text"]) is None


def test_the_citizen_is_told_what_he_holds_and_what_to_show() -> None:
    verdict = Terminal().judge("134680000000000001")
    assert isinstance(verdict, Rejected)
    assert verdict.reason.citizen.en == "This is a payment code; please show the citizen code"
    assert verdict.reason.citizen.zh == "这是付款码，请出示电子市民码"
    assert verdict.reason.retry


@pytest.mark.parametrize(("asked", "comes"), [(["medical-insurance-code"], ForeignShown), (["health-code"], Rejected)])
def test_where_a_lane_asks_about_its_kind_a_code_is_handed_on_and_its_text_shows_nowhere(
    asked: list[str], comes: type
) -> None:
    text, terminal = "3101" + "0" * 24, Terminal()
    policy = AskingCodes.model_validate({"ask": asked})
    verdict = Verifier(lambda data: data, SiteRegister(())).code(text, policy, terminal.moment, terminal.marks)
    assert type(verdict) is comes
    assert text not in repr(verdict)
