"""What became of what the library was told afterwards."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence

_S = Sentence
_STAFF = _S("请到服务台核对", "Please ask at the service desk")
_NOTHING = _S("已登记", "It is registered")


class UploadReason(ReasonEnum):
    """What became of what the library was told afterwards. The codes are the results in the reconciliation list."""

    TOLD = ("loan-told", _NOTHING, _S("已补登到图书馆系统", "the library was told afterwards and took it"))
    KNOWN = ("loan-known", _NOTHING, _S("图书馆系统已有此记录", "the library had it already"))
    VOID = ("loan-void", _NOTHING, _S("图书馆系统没有办理，无需处理", "the library had not done it; nothing to do"))
    WITHDRAWN = ("loan-withdrawn", _NOTHING, _S("已在图书馆系统撤回", "withdrawn at the library"))
    REFUSED = (
        "loan-refused",
        _STAFF,
        _S("图书馆系统不接受补登：请人工核对", "the library does not take what happened here: settle it by hand"),
    )
    UNANSWERED = (
        "loan-unanswered",
        _STAFF,
        _S(
            "图书馆系统办理此项时总是中断：请人工核对",
            "the library's system breaks off over this one every time: settle it by hand",
        ),
    )
    STANDS = (
        "loan-stands",
        _STAFF,
        _S(
            "图书馆系统已办理，读者却未获告知：请人工核对",
            "the library has done it and the reader was never told: settle it by hand",
        ),
    )


NEEDS_A_PERSON = frozenset({UploadReason.REFUSED, UploadReason.UNANSWERED, UploadReason.STANDS})
