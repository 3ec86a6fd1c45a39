"""How a command asks for permits: it shows a challenge, and reads what the permit's device signed for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from agent.bundles.errors import BundleError
from agent.bundles.rings import rings_on_disk
from agent.clock import RecordIds, SystemRandom
from agent.composition import keys_dir
from agent.cose import VerifyKey
from agent.keys import FileKeyStore, Role
from agent.permits import tries
from agent.permits.acts import NEEDS, ServiceAct
from agent.permits.desk import Answer, Now, answer, are_asked_for
from agent.permits.judge import Believed, Question, Span
from agent.permits.place import SAVED_PLACE, place_of
from agent.permits.reasons import PermitReason
from agent.permits.socket import ANSWERED_S
from agent.permits.text import CHALLENGE_BYTES, MAX_TEXT_CHARS, challenge_text
from agent.trusted_clock import TrustedClock
from agent.words import say
from offline_store.journal import Journal
from profiles.reasons import ReasonEnum
from tools.cli.installed_lists import installed_lists
from tools.cli.typed import at_most, typed_line


def ask(act: ServiceAct, terminal: str, challenge: bytes, within_s: float = ANSWERED_S) -> tuple[str, ...]:
    """What the technicians typed, pasted or piped, a line each; an empty line or the end of the input ends it.

    Raises ``ClickException`` where they let the time go by.
    """
    people = NEEDS[act].people
    shown, minutes = challenge_text(challenge), f"{within_s / 60:g}"
    click.echo(
        say(
            f"此操作须有 {people} 份技术人员许可。口令：{shown}，{minutes} 分钟内有效；直接回车或按 Ctrl-C 放弃。"
            "在许可的设备上运行：",
            f"technicians' permits that this act needs: {people}; challenge: {shown}, good for {minutes} minutes; an"
            " empty line or Ctrl-C gives up. On the permit's device run:",
        ),
        err=True,
    )
    click.echo(
        f"  onecard permit sign PERMIT --key KEY --terminal {terminal} --act {act.code} --challenge {shown}", err=True
    )
    texts: list[str] = []
    try:
        with at_most(within_s):
            while len(texts) < people:
                which = f" {len(texts) + 1}/{people}" if people > 1 else ""
                asked = say(f"它打印的签名{which}：", f"what it prints{which}: ")
                text = typed_line(asked, MAX_TEXT_CHARS + 1)
                if not text:
                    break
                texts.append(text)
    except TimeoutError as error:
        raise click.ClickException(
            say(
                f"{minutes} 分钟内没有签名：口令已作废，什么都没有做；请重新运行命令",
                f"nothing was signed within {minutes} minutes: the challenge is over, nothing was done; run it again",
            )
        ) from error
    return tuple(texts)


def refuse(reason: ReasonEnum) -> click.ClickException:
    """The one clear sentence."""
    return click.ClickException(say(reason.technician.zh, reason.technician.en))


def ask_beside(journal: Journal, state_dir: Path, clock: TrustedClock, act: ServiceAct) -> Answer | None:
    """Ask at a terminal that is stopped, whose journal is held open; ``None`` if it was never told whose permits count.

    What comes back was accepted and is to be appended with the act. A refusal is appended here, and raised.
    """
    issuers = _issuers(state_dir)
    if not are_asked_for(issuers, keys_dir(state_dir)):
        return None
    place = place_of(journal.load_saved().get(SAVED_PLACE))
    if place is None:
        raise refuse(PermitReason.PLACE_UNKNOWN)
    random, moment = SystemRandom(), clock.moment()
    challenge = random.token(CHALLENGE_BYTES)
    texts = ask(act, place.terminal, challenge)
    question = Question(act, place, challenge, Span.of(moment, clock.known.signed_ms))
    marks = journal.load_marks(moment.now_ms)
    tally = next((mark.value for mark in marks if (mark.scope, mark.key) == (tries.SCOPE, tries.KEY)), None)
    now = Now(moment, clock.monotonic_ms(), RecordIds(clock, random).new())
    believed = Believed(issuers, lambda permit: _is_revoked(state_dir, permit))
    settled = answer(texts, question, believed, tally if isinstance(tally, int) else None, now)
    if settled.refusal is not None:
        if settled.entry is not None:
            journal.append([settled.append])
        raise refuse(settled.refusal)
    return settled


def are_asked_for_at(state_dir: Path) -> bool:
    """Whether a terminal was ever told whose permits count. Raises ``StoreError``."""
    return are_asked_for(_issuers(state_dir), keys_dir(state_dir))


def _issuers(state_dir: Path) -> Mapping[bytes, VerifyKey]:
    return rings_on_disk(state_dir, FileKeyStore(keys_dir(state_dir))).get(Role.TECHNICIAN, {})


def _is_revoked(state_dir: Path, permit: bytes) -> bool:
    """By the emergency list; one that cannot be read revokes whatever is asked about."""
    try:
        return installed_lists(state_dir).emergency.holds(permit)
    except BundleError:
        return True
