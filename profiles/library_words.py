"""What the library's screen says, with the day and the numbers that belong to it."""

from __future__ import annotations

from datetime import datetime, tzinfo

from profiles.loans import Account, Act
from profiles.reasons import Sentence


def done_words(act: Act, said: Sentence, due_ms: int | None, zone: tzinfo | None) -> Sentence:
    """What was done, and until when it may be kept; whoever meant to return it hears how."""
    zh, en = said.zh, said.en
    if due_ms is not None:
        due = datetime.fromtimestamp(due_ms / 1000, zone).strftime("%Y-%m-%d")
        zh, en = f"{zh}，请于 {due} 前归还", f"{en}; please bring it back by {due}"
    if act is Act.RENEW:
        zh, en = f"{zh}；如要还书，请先退出", f"{en}. To return it now, log out first"
    return Sentence(zh, en)


def account_words(account: Account, said: Sentence) -> Sentence:
    """How the reader stands, and what to do. Neither names nor titles: a screen has more than one reader."""
    zh, en = f"在借 {account.charged_count} 册", f"{account.charged_count} on loan"
    if account.overdue_count:
        zh, en = f"{zh}，逾期 {account.overdue_count} 册", f"{en}, {account.overdue_count} overdue"
    if account.fine_fen:
        yuan = f"{account.fine_fen // 100}.{account.fine_fen % 100:02d}"
        zh, en = f"{zh}，欠费 {yuan} 元", f"{en}, {yuan} yuan to pay"
    return Sentence(f"{zh}。{said.zh}", f"{en}. {said.en}")
