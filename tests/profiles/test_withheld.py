"""What is withheld stands in no print of an effect, and the rest does."""

from __future__ import annotations

from profiles.api import Ask, Kind, Reason, Record, Show, Tone
from profiles.questions import QueryBalance

EVIDENCE = b"the code as it was shown"


def test_neither_evidence_nor_a_name_is_printed() -> None:
    ask = Ask(QueryBalance(), 2_500, b"a" * 16, evidence=EVIDENCE)
    record = Record(b"r" * 16, Kind.ASKED, Reason.GRANTED, evidence=EVIDENCE)
    show = Show(Reason.GRANTED.citizen, Tone.OK, "张*三")
    printed = repr((ask, record, show))
    assert "shown" not in printed
    assert "张" not in printed
    assert printed.startswith("(Ask(question=QueryBalance(account=None), deadline_ms=2500, about=b'aaaa")
    assert "Record(id=b'rrrrrrrrrrrrrrrr', kind=<Kind.ASKED: 'asked'>, reason=<Reason.GRANTED" in printed
    assert "Show(sentence=Sentence(zh='请通行', en='Please pass'), tone=<Tone.OK: 'ok'>)" in printed
