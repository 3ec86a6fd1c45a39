"""What becomes of the platform's commands, as records and results say it."""

from __future__ import annotations

from enum import StrEnum

from profiles.reasons import ReasonEnum, Sentence

COMMAND = "command"
"""The kind of both records: of the one that precedes the act, and of the one that says what became of it."""

_S = Sentence
_CITIZEN = _S("请走旁边通道", "Please use the next lane")


class Unanswerable(StrEnum):
    """Why a command leaves no record: it is the source of the alarm ``command-refused``."""

    UNVERIFIED = "unverified"
    FOREIGN = "foreign"
    PASSED_NUMBER = "passed-number"


class CommandReason(ReasonEnum):
    """A closed list: the first is written before the act, the next ones refuse it, the rest end it."""

    ACCEPTED = (
        "command-accepted",
        _CITIZEN,
        _S("平台的签名命令已接受，即将执行", "the platform's signed command is accepted and about to be carried out"),
    )
    AHEAD = (
        "command-issued-ahead",
        _CITIZEN,
        _S(
            "命令的签发时间在未来：平台或终端的时钟不准",
            "the command was issued in the future: the platform's clock or the terminal's is wrong",
        ),
    )
    EXPIRED = ("command-expired", _CITIZEN, _S("命令到达时已过期", "the command came after its end"))
    TOO_LONG = (
        "command-too-long",
        _CITIZEN,
        _S("命令的有效期超过此操作所允许的", "the command holds for longer than its act may wait"),
    )
    NOT_KNOWN = (
        "command-not-known",
        _CITIZEN,
        _S("终端的软件不认识此命令", "the terminal's software does not know this act"),
    )
    NO_LANE = (
        "command-no-lane",
        _CITIZEN,
        _S("终端没有此通道", "there is no such lane at this terminal"),
    )
    NO_OPENING = (
        "command-no-opening",
        _CITIZEN,
        _S(
            "此通道没有可以开放的门、闸或挡车器（例如收银台、车载机）",
            "the lane has no door, gate or barrier to open: it is a till, a counter, a bus's validator",
        ),
    )
    DONE = ("command-done", _CITIZEN, _S("命令已执行", "the command was carried out"))
    UNCHANGED = (
        "command-unchanged",
        _CITIZEN,
        _S("配置已重新读取，没有变化", "the configuration was read again and is the same"),
    )
    CONFIGURATION_INVALID = (
        "command-configuration-invalid",
        _CITIZEN,
        _S(
            "配置文件无效，终端继续按原配置工作；请运行 onecard config check",
            "the configuration is not valid, and the terminal goes on as it is: see `onecard config check`",
        ),
    )
    BUSY = ("command-lane-busy", _CITIZEN, _S("通道正在被使用，没有开放", "the lane was in use, and did not open"))
    OPEN_ALREADY = ("command-open-already", _CITIZEN, _S("通道因火警已经开放", "the way is open already, by fire"))
    NO_WAY = (
        "command-no-way",
        _CITIZEN,
        _S("此通道没有通往该方向的出入口，没有开放", "the lane has no opening in that direction, and did not open"),
    )
    NOT_OPENED = (
        "command-not-opened",
        _CITIZEN,
        _S("通道没有确认开放；请查看该通道的记录", "the lane did not confirm that it opened: see its records"),
    )
    OUTCOME_UNKNOWN = (
        "command-outcome-unknown",
        _CITIZEN,
        _S(
            "执行中终端重启，结果不明，不会再次执行",
            "the terminal restarted meanwhile: nobody knows whether it was done, and it is not done again",
        ),
    )
