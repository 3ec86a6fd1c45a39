"""What only a museum, a park or a scenic spot has to say, and the rules that only it asks."""

from __future__ import annotations

from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import OWN, RuleEnum

_S = Sentence


class MuseumReason(ReasonEnum):
    """Each names one next step."""

    NOT_RESERVED = (
        "not-reserved",
        _S("您还没有预约，请先预约再来", "You have no reservation; please reserve first"),
        _S("名册中没有本场预约，也不符合免预约条件", "no reservation in the roster, and no free admission"),
    )
    LATER_SESSION = (
        "later-session",
        _S("您预约的是今天稍后的场次，请到时再来", "Your reservation is for later today; please come back then"),
        _S("名册中有今天稍后场次的预约", "the roster holds a reservation for a later session of today"),
        True,
    )
    NO_SESSION = (
        "no-session",
        _S("现在没有场次，请在场次时间再来", "No session is on now; please come in the hours of one"),
        _S("不在任何场次的时间内", "outside the hours of every session"),
    )
    SESSION_FULL = (
        "session-full",
        _S(
            "本场免预约名额已满，请预约下一场",
            "No places without reservation are left; please reserve the next session",
        ),
        _S("本场免预约人数已达上限", "the session's bound of people without a reservation is reached"),
    )
    ALREADY_VISITED = (
        "already-visited",
        _S("本场您已入场，请到服务台咨询", "You have entered this session already; please ask at the service desk"),
        _S("同一人本场已入场", "the same person has entered in this session"),
    )
    NO_GROUP_LEADER = (
        "no-group-leader",
        _S("请由领队出示证件", "Please let the group's leader show a credential"),
        _S("已输入团队人数，但此人没有领队资格", "a group was typed, and this person is not entitled to lead one"),
        True,
    )
    GROUP_TOO_BIG = (
        "group-too-big",
        _S("团队人数超出上限，请分批入场", "The group is too big; please enter in several"),
        _S("输入的人数超出 group_people", "more people were typed than group_people allows"),
        True,
    )
    GROUP_AWAITED = (
        "group-awaited",
        _S("请领队出示证件", "Please let the group's leader show a credential"),
        _S("已输入团队人数，等待领队", "the number of people was typed; the leader is awaited"),
    )
    OPENED_AGAIN = (
        "opened-again",
        _S("请通行", "Please pass"),
        _S("同一人未通过，再次开门，不重复计数", "the same holder once more: the door opens, nobody is counted twice"),
    )


class MuseumRule(RuleEnum):
    """What only this scene asks."""

    SESSION = (
        OWN,
        _S("有正在进行的场次，或预约的场次即将开始？", "Is a session on, or a reserved one about to begin?"),
    )
    TICKET = (OWN + 1, _S("预约了本场，或符合免预约条件？", "Is this session reserved, or admission free?"))
    GROUP_LEADER = (OWN + 2, _S("此人可以带团？", "May this person lead a group?"))
    FIRST_VISIT = (OWN + 3, _S("此人本场尚未入场？", "Is it this person's first visit of the session?"))
    ROOM = (OWN + 4, _S("本场免预约名额还有空余？", "Is there room for those without a reservation?"))


def group_of(people: int) -> Sentence:
    """What a group is told."""
    return _S(f"请通行，共 {people} 人", f"Please pass: {people} people")
