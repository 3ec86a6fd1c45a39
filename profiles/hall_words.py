"""What a service hall says with numbers in it, on the screen and on the slip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from profiles.hall_settings import Matter
from profiles.reasons import Sentence

CANCELLED = Sentence("已取消，请重新选择", "Taken back; please choose again")
NOBODY_WAITS = Sentence("没有人在等候", "Nobody is waiting")


def choose(matters: Sequence[Matter]) -> Sentence:
    """Which keys there are."""
    zh = "；".join(f"{matter.key} {matter.zh}" for matter in matters)
    en = "; ".join(f"{matter.key} {matter.en}" for matter in matters)
    return Sentence(f"请先输入事项编号并确认：{zh}", f"Please type a matter's number and Enter: {en}")


def chosen(matter: Matter) -> Sentence:
    """What is awaited now."""
    return Sentence(f"{matter.zh}：请放卡或出示码", f"{matter.en}: please present a card or a code")


def number_of(ticket: str, before: int) -> Sentence:
    """A queue ticket, as it stands on the screen."""
    return Sentence(
        f"您的号码 {ticket}，前面 {before} 人，请等候叫号",
        f"Your number is {ticket}, with {before} before you; please wait until it is called",
    )


def call_of(ticket: str, counter: str) -> Sentence:
    """As it is called out."""
    return Sentence(f"请 {ticket} 号到 {counter} 号窗口", f"Number {ticket}, please come to counter {counter}")


def welcome(counter: str) -> Sentence:
    """The counter has what it needs."""
    return Sentence(f"{counter} 号窗口已收到，请说明您的事项", f"Counter {counter} has it; please say what you need")


def slip(matter: Matter, number: int, before: int, moment: datetime) -> tuple[str, ...]:
    """A queue ticket on paper: no name, and nothing else of the person."""
    return (
        f"{matter.zh}  {matter.en}",
        matter.ticket(number),
        f"前面 {before} 人  {before} before you",
        f"{moment:%Y-%m-%d %H:%M}",
        "当日有效  Valid today",
    )
