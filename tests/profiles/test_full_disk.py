"""Beyond the reserve a gate opens unless it shall refuse; what takes money refuses, and cannot be told otherwise."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agent.config import profile_names, profile_type
from profiles.full_disk import FullDisk
from profiles.gate import GateSettings
from profiles.payment import PaySettings
from profiles.till import TillSettings


def test_a_gate_opens_and_counts_unless_it_shall_refuse() -> None:
    assert GateSettings.model_validate({"admit": {"everyone": True}}).on_full_disk() is FullDisk.OPEN_AND_COUNT
    refusing = GateSettings.model_validate({"admit": {"everyone": True}, "full_disk": "refuse"})
    assert refusing.on_full_disk() is FullDisk.REFUSE


def test_a_till_refuses_and_has_no_setting_that_says_otherwise() -> None:
    settings = {"merchant": "kiosk-1", "admit": {"everyone": True}}
    assert TillSettings.model_validate(settings).on_full_disk() is FullDisk.REFUSE
    with pytest.raises(ValidationError, match="full_disk"):
        TillSettings.model_validate(settings | {"full_disk": "open-and-count"})


def test_no_profile_that_takes_money_may_open() -> None:
    taking = [kind for name in profile_names() if (kind := profile_type(name)) is not None]
    taking = [kind for kind in taking if issubclass(kind.Settings, PaySettings)]
    assert taking
    for kind in taking:
        assert kind.Settings.on_full_disk is PaySettings.on_full_disk
