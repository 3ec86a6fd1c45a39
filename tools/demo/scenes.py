"""What the demo shows: each scene presents something and waits for what the terminal must then say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profiles.api import Reason
from profiles.passage import PassageReason
from profiles.reasons import Sentence
from tools.demo.codes import Codes
from tools.demo.stage import Stage

WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A title for people, and what is done."""

    title: Sentence
    play: Callable[[Stage], None]


def _pass(stage: Stage, reader: str, card: str) -> None:
    """Present a card, be granted, walk through, take the card away."""
    with stage.presenting(reader, card):
        stage.await_decision(Reason.GRANTED.code, WAIT_S)
        with stage.pressing("passage"):
            stage.await_event("outcome", WAIT_S, reason=PassageReason.PASSED.code)


def _not_entitled(stage: Stage) -> None:
    with stage.presenting("slot", "gen2-wang"):
        stage.await_decision(Reason.NOT_ENTITLED.code, WAIT_S)


def _torn(stage: Stage) -> None:
    with stage.presenting("slot", "gen2-li", tear_after=3):
        stage.await_decision(Reason.CARD_REMOVED.code, WAIT_S)


def _offline(stage: Stage) -> None:
    stage.stop_broker()
    stage.await_event("link down", WAIT_S)
    _pass(stage, "pad", "gen3-chen")


def _back(stage: Stage) -> None:
    stage.start_broker()
    stage.await_all_acknowledged(WAIT_S)


_CODES = Codes()

SCENES = (
    Scene(
        Sentence("二代卡插入 PC/SC 读卡器", "a second-generation card, inserted in a PC/SC reader"),
        lambda stage: _pass(stage, "slot", "gen2-li"),
    ),
    Scene(
        Sentence("三代卡贴在 PC/SC 读卡器上", "a third-generation card, tapped on a PC/SC reader"),
        lambda stage: _pass(stage, "pad", "gen3-chen"),
    ),
    Scene(
        Sentence("三代卡贴在串口读卡器上", "a third-generation card, tapped on a serial reader"),
        lambda stage: _pass(stage, "field", "gen3-transit"),
    ),
    Scene(Sentence("没有权限的人", "somebody who is not entitled"), _not_entitled),
    Scene(Sentence("读到一半卡片被抽走", "a card torn out half-way"), _torn),
    Scene(Sentence("消息服务器停止，闸机照常工作", "the broker stops; the gate works on"), _offline),
    Scene(Sentence("消息服务器恢复，补传记录", "the broker is back; what waited is sent"), _back),
    Scene(
        Sentence("签名的信任列表和吊销名单送达", "the signed trust list and deny lists arrive, and count at once"),
        _CODES.lists,
    ),
    Scene(Sentence("手机上的电子市民码，摄像头扫码", "a citizen code on a phone, seen by the camera"), _CODES.valid),
    Scene(Sentence("同一个码再次出示", "the same code, shown again"), _CODES.replayed),
    Scene(Sentence("一分钟前的截图", "a screenshot of a minute ago"), _CODES.screenshot),
    Scene(Sentence("过了有效期的码", "a code past its time to live"), _CODES.expired),
    Scene(Sentence("国密 SM2 签名的码", "a code signed with SM2"), _CODES.sm2),
    Scene(Sentence("先放行，随即被吊销", "granted, then revoked while the gate runs"), _CODES.revoked),
    Scene(Sentence("打印的静态码，此闸机不收", "a printed static code, at a gate that takes none"), _CODES.static),
    Scene(Sentence("无人认可的签发者", "a code of an issuer whom nobody trusts"), _CODES.unknown),
)
