"""What `onecard status` says of the configuration that a terminal goes by."""

from __future__ import annotations

import pytest

from agent.standing import ConfiguredNow
from tests.agent.test_exposition import NOW
from tools.cli import fields
from tools.cli.standing_words import certificate, configuration, lines

INVALID = {"withdrawn": 8, "why": "invalid", "at": "lanes.gate.profile"}


@pytest.mark.parametrize(
    ("now", "en", "zh"),
    [
        ({"issue": 7, "on_trial": True}, "version 7 of the platform, on trial", "平台下发的版本 7，试用中"),
        (
            {"issue": 7, "on_trial": False} | INVALID,
            (
                "version 7 of the platform; version 8 was withdrawn: it does not fit this terminal or this software"
                " (lanes.gate.profile)"
            ),
            "平台下发的版本 7；已退回版本 8：配置不适用于本终端或本版本软件（lanes.gate.profile）",
        ),
        (
            {"issue": 0, "on_trial": False, "withdrawn": 1, "why": "of-a-later-version"},
            "the terminal's own file; version 1 was withdrawn: of-a-later-version",
            "终端自带的文件；已退回版本 1：of-a-later-version",
        ),
    ],
)
def test_it_says_whose_it_is_and_what_was_taken_back(
    now: dict[str, object], en: str, zh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lang, said in (("en", en), ("zh", zh)):
        monkeypatch.setenv("ONECARD_LANG", lang)
        assert configuration(ConfiguredNow.model_validate(now)) == said


@pytest.mark.parametrize(
    ("left_ms", "en", "zh"),
    [
        (30 * 86_400_000, None, None),
        (29 * 86_400_000 + 1, "ends in 29 days, and is not renewed", "还有 29 天到期，没有换发"),
        (0, "has ended: enrol the terminal anew", "已到期：请重新注册终端"),
    ],
)
def test_a_certificate_is_spoken_of_when_its_renewal_did_not_come(
    left_ms: int, en: str | None, zh: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = NOW.model_copy(update={"certificate_ends_ms": NOW.clock.now_ms + left_ms})
    for lang, said in (("en", en), ("zh", zh)):
        monkeypatch.setenv("ONECARD_LANG", lang)
        assert certificate(now) == said
        assert (said is not None) is any(str(said) in line for line in lines(now))
    nobody_knows = now.model_copy(update={"clock": now.clock.model_copy(update={"state": "untrusted"})})
    assert certificate(nobody_knows) is None


def test_a_length_that_nobody_counts_in_hours_is_said_to_be_long_and_a_small_file_is_not_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert fields.value("hours_left", 222_836) == "more than a year"
    assert fields.value("hours_left", 37) == "37 h"
    assert (fields.size(49_152), fields.size(1), fields.size(12_340_000)) == ("50 kB", "1 kB", "12.3 MB")
    monkeypatch.setenv("ONECARD_LANG", "zh")
    assert fields.value("hours_left", 222_836) == "一年以上"
