"""What a subsidy query says with figures in it."""

from __future__ import annotations

from profiles.amounts import yuan
from profiles.reasons import Sentence
from profiles.subsidies import Subsidies

WHO = Sentence("请先放卡或出示码", "Please present a card or a code first")
PLEASE_PIN = Sentence("请输入服务密码并确认", "Please type your service PIN and Enter")
WHAT_IS_A_PIN = Sentence(
    "服务密码是 4 至 12 位数字，请重新输入", "A service PIN has 4 to 12 digits; please type it again"
)
DONE = Sentence("已退出，屏幕已清除", "Over; the screen is wiped")


def tries_left(left: int, wait_s: int) -> Sentence:
    """After a wrong PIN."""
    return Sentence(
        f"服务密码不正确，今天在本机还可输错 {left} 次，请等 {wait_s} 秒后重新输入",
        f"The service PIN is wrong; {left} more may be wrong here today: please type it again after {wait_s} s",
    )


def masked(name: str) -> str:
    """``张小三`` → ``张*三``, ``张三`` → ``张*``: enough for its bearer."""
    return f"{name[:1]}*{name[-1:] if len(name) > 2 else ''}"


def lines_of(answer: Subsidies) -> tuple[Sentence, ...]:
    """What stands on the screen: the name masked, of the account its end."""
    name, end = masked(answer.holder), answer.account_end[-4:]
    lines = [Sentence(f"{name}  账号末位 {end}", f"{name}  account ending in {end}")]
    for paid in answer.paid:
        date = f"{paid.date[:4]}-{paid.date[4:6]}-{paid.date[6:]}"
        sign = "-" if paid.amount_fen < 0 else ""
        amount = f"{sign}{yuan(abs(paid.amount_fen))}"
        lines.append(Sentence(f"{date}  {paid.name}  {amount} 元", f"{date}  {paid.name}  {amount} yuan"))
    if not answer.paid:
        lines.append(Sentence("没有补贴记录", "No subsidies were paid"))
    if answer.more:
        lines.append(Sentence(f"另有更早的 {answer.more} 笔", f"and {answer.more} older ones"))
    lines.append(Sentence("看完请按 0 并确认", "Press 0 and Enter when you have read it"))
    return tuple(lines)
