"""The masked name of a holder: on the lane's screen for a moment, and in nothing that is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from agent.lane_ports import NAME_KEPT_MS, LanePorts
from agent.screen import NoScreen
from profiles.api import Reason, Show, Tone
from profiles.reasons import Sentence


class Screen(NoScreen):
    """Notes what is put on it."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, int | None]] = []

    def show(self, sentence: Sentence) -> None:
        self.shown.append((sentence.zh, None))

    def show_privately(self, lines: tuple[Sentence, ...], keep_ms: int) -> None:
        self.shown += [(line.zh, keep_ms) for line in lines]


def test_a_name_goes_from_the_screen_by_itself_and_a_sentence_without_one_stays() -> None:
    screen, noted = Screen(), list[Show]()
    told: Callable[[Show], None] = noted.append
    nothing = cast("Any", None)
    ports = LanePorts(
        nothing, nothing, nothing, nothing, nothing, nothing, lambda _: None, lambda *_: None, shown=told, screen=screen
    )
    named, plain = Show(Reason.GRANTED.citizen, Tone.OK, "张*三"), Show(Reason.BUSY.citizen, Tone.WAIT)
    ports.show(named)
    ports.show(plain)
    assert screen.shown == [("张*三，请通行", NAME_KEPT_MS), (Reason.BUSY.citizen.zh, None)]
    assert noted == [named, plain]
    assert "张" not in repr(noted)
