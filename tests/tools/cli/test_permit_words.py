"""What a record says of a permit's act is said in the words of the command that does it."""

from __future__ import annotations

import pytest

from agent.permits.acts import Role, ServiceAct
from tools.cli.codes import reason_words
from tools.cli.fields import value


def test_acts_and_roles_of_records_have_words_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [("act", act.code) for act in ServiceAct] + [("role", role.value) for role in Role]
    monkeypatch.setenv("ONECARD_LANG", "zh")
    assert not any(value(name, code).isascii() for name, code in codes)
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert value("act", ServiceAct.WIPE.code) == "destroy its keys and journal"
    assert "destroy the terminal's keys and journal" in reason_words(ServiceAct.WIPE.code)
    assert value("act", "service-of-another-version") == "service-of-another-version"
