"""Acts that a terminal asks permits for, whether it runs or not; and ``onecard open``, which needs one that runs."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click

from agent.clock import SystemRandom
from agent.command_reasons import CommandReason
from agent.kernel_time import boot_id
from agent.lane_orders import OBEYED_S
from agent.permits.acts import ServiceAct
from agent.permits.reasons import PermitReason
from agent.permits.socket import MAX_LINE_BYTES, NAME, TALK_S
from agent.permits.text import challenge_of
from agent.timekeeper import SAVED_KEY
from agent.trusted_clock import TrustedClock
from agent.unix_peers import address_of
from agent.words import say, why_en, why_zh
from offline_store.database import DATABASE_NAME
from offline_store.journal import Journal
from profiles.direction import Direction
from profiles.reasons import ReasonEnum
from tools.cli.clock import recall
from tools.cli.permits import are_asked_for_at, ask, ask_beside, refuse
from tools.cli.place import existing, state_dir_option
from tools.owner import as_owner

_REASONS: Mapping[str, ReasonEnum] = {reason.code: reason for kind in (PermitReason, CommandReason) for reason in kind}
Asking = Callable[[ServiceAct, str, bytes], Sequence[str]]


def permitted(state_dir: Path, act: ServiceAct) -> None:
    """Have the journal say by whose permits, if the terminal asks for any. Raises ``ClickException`` if it may not be.

    A running terminal records it itself, over its socket; beside one that is stopped this command does.
    """
    try:
        if not (state_dir / DATABASE_NAME).is_file() or not are_asked_for_at(state_dir):
            return
    except PermissionError as error:  # another user's terminal is not changed unasked
        raise _unanswered(state_dir, error) from error
    try:
        _talk(state_dir, {"act": act.code}, ask)
    except (FileNotFoundError, ConnectionRefusedError):
        with as_owner(state_dir):
            _ask_and_record(state_dir, act)
    except OSError as error:
        raise _unanswered(state_dir, error) from error


def _ask_and_record(state_dir: Path, act: ServiceAct) -> None:
    clock = TrustedClock()
    with closing(Journal.open(state_dir, boot_id(), clock=clock, random=SystemRandom())) as journal:
        recall(clock, journal.load_saved().get(SAVED_KEY))
        answer = ask_beside(journal, state_dir, clock, act)
        if answer is not None:
            journal.append([answer.append])


direction_option = click.option(
    "--direction",
    type=click.Choice([each.value for each in Direction]),
    help=say(
        "方向：in 进，out 出（默认：通道唯一的方向；双向通道为 in）",
        "Which way, in or out (default: the lane's one way, or in where it has two)",
    ),
)


@click.command(
    name="open",
    help=say(
        "让运行中的终端的一个通道开放一次；已注册的终端要求技术人员许可",
        "Have one lane of a running terminal open once; a terminal that was enrolled asks for a technician's permit",
    ),
)
@click.argument("lane", metavar=say("通道", "LANE"))
@direction_option
@state_dir_option
def open_lane(lane: str, direction: str | None, state_dir: Path) -> None:
    """For one person. The journal says by whose permit before the lane opens."""
    try:
        way = {} if direction is None else {"direction": direction}
        said = _talk(existing(state_dir), {"act": ServiceAct.OPEN.code, "lane": lane, **way}, ask)
    except OSError as error:
        raise _unanswered(state_dir, error) from error
    became = str(said.get("became"))
    if became != CommandReason.DONE.code:
        raise refuse(_REASONS.get(became, CommandReason.NOT_OPENED))
    click.echo(say(f"通道 {lane} 已开放一次", f"lane {lane} opened once"))


def _talk(state_dir: Path, asked: Mapping[str, str], asking: Asking) -> Mapping[str, Any]:
    """What the terminal says in the end. Raises ``OSError``, and ``ClickException`` where it refuses."""
    with _connected(state_dir) as hear_and_say:
        said = hear_and_say(asked)
        if "challenge" in said:
            act = next(each for each in ServiceAct if each.code == asked["act"])
            texts = asking(act, str(said.get("terminal")), challenge_of(str(said["challenge"])))
            said = hear_and_say({"texts": list(texts)})
        elif said.get("asked") is False:
            said = hear_and_say(None)
    if "refusal" in said:
        raise refuse(_REASONS.get(str(said["refusal"]), PermitReason.MALFORMED))
    return said


@contextmanager
def _connected(state_dir: Path) -> Iterator[Callable[[Mapping[str, object] | None], Mapping[str, Any]]]:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(TALK_S + OBEYED_S)
        with address_of(state_dir / NAME) as address:
            link.connect(address)
        with link.makefile("rb") as heard:

            def hear_and_say(words: Mapping[str, object] | None) -> Mapping[str, Any]:
                if words is not None:
                    link.sendall(json.dumps(words).encode() + b"\n")
                line = heard.readline(MAX_LINE_BYTES)
                said = json.loads(line) if line else None
                if not isinstance(said, dict):
                    raise ConnectionAbortedError(103, "the terminal broke off")
                return said

            yield hear_and_say


def _unanswered(state_dir: Path, error: OSError) -> click.ClickException:
    return click.ClickException(
        say(
            f"{state_dir} 的终端没有应答（{why_zh(error)}）：它在运行吗？有人正在操作吗？",
            f"the terminal of {state_dir} does not answer ({why_en(error)}): does it run? is somebody else at it?",
        )
    )
