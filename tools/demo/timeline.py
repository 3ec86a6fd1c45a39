"""The timeline of the taps: what the terminal's log says about each, in milliseconds after the card's last answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.words import say
from tools.cli.terminal_process import Line

_NS_PER_MS = 1_000_000


@dataclass
class Tap:
    """One presentation, with monotonic nanoseconds of its stations; ``None`` where it did not pass one."""

    id: str
    seq: int
    reason: str
    read_ns: int | None
    decided_ns: int
    durable_ns: int
    commanded_ns: int | None = None
    acked_ns: int | None = None
    outcome: str = ""

    def stations(self) -> str:
        """``shown → decision → durable → relay → acknowledged``, each with its delay."""
        start_ns = self.read_ns if self.read_ns is not None else self.decided_ns
        names = (
            (say("决定", "decision"), self.decided_ns),
            (say("落盘", "durable"), self.durable_ns),
            (say("闸门", "relay"), self.commanded_ns),
            (say("平台确认", "acknowledged"), self.acked_ns),
        )
        parts = [f"{name} +{(at_ns - start_ns) / _NS_PER_MS:.1f} ms" for name, at_ns in names if at_ns is not None]
        return " → ".join([say("出示", "shown"), *parts])


def taps_of(lines: Iterable[Line]) -> list[Tap]:
    """Every presentation that the log tells of, in order. A relay's line may stand before its decision's."""
    lines = list(lines)
    taps = {line["tap"]: _tap(line) for line in lines if line.get("event") == "decision"}
    for line in lines:
        tap = taps.get(line.get("tap", ""))
        match line.get("event"):
            case "actuated" if tap is not None:
                tap.commanded_ns = line.get("commanded_ns")
            case "outcome" if tap is not None:
                tap.outcome = line["reason"]
            case "acknowledged":
                for waiting in taps.values():
                    if waiting.acked_ns is None and waiting.seq <= line["acked"]:
                        waiting.acked_ns = line["acked_ns"]
    return list(taps.values())


def _tap(line: Line) -> Tap:
    return Tap(line["tap"], line["seq"], line["reason"], line.get("read_ns"), line["decided_ns"], line["durable_ns"])
