"""Technicians' permits by hand: from the platform's command to an act at a terminal, and who is turned away."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.bundles.check import Place
from agent.clock import SystemClock, SystemRandom
from agent.kernel_time import KernelTime, boot_id
from agent.permits.place import SAVED_PLACE, place_saved
from agent.permits.tries import MOST
from agent.timekeeper import SAVED_KEY
from agent.trusted_clock import STEADY_MS, TrustedClock
from offline_store.journal import Append, Journal
from offline_store.outbox import Outbox
from offline_store.record import Entry, Record
from tools.cli.main import main
from tools.platform.ca import Authority

DAY_MS = 86_400_000
SIGNED_MS = 1_790_000_000_000
LIE_MS = SIGNED_MS + 4000 * DAY_MS


class Terminal:
    """Whoever sits at the terminal's keyboard: reads what it asks, and answers."""

    def __init__(self, capsys: pytest.CaptureFixture[str], answer: Callable[[str], str]) -> None:
        self._capsys = capsys
        self._answer = answer
        self._challenge = ""
        self.shown = ""

    def isatty(self) -> bool:
        return False

    def readline(self, limit: int = 65_536) -> str:
        seen = self._capsys.readouterr()
        self.shown += seen.out + seen.err
        if "--challenge " in seen.err:
            self._challenge = seen.err.split("--challenge ")[1][:8]
        return self._answer(self._challenge)[:limit]


class Site:
    """A platform, a terminal whose clock was led astray, and a technician's device."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.platform, self.state, self.directory = directory / "platform", directory / "state", directory
        self._capsys, self._patch, self.shown = capsys, patch, ""
        Authority.init(self.platform / "keys").provision("gate-7", self.state / "keys")
        clock = led_astray()
        journal = Journal.open(self.state, boot_id(), clock=SystemClock(), random=SystemRandom())
        place = place_saved(Place("gate-7", "east-hall"))
        journal.append([Append(saves={SAVED_KEY: clock.saved(b"b" * 16), SAVED_PLACE: place})])
        journal.close()
        self.device()

    def onecard(self, *arguments: str | Path, answer: Callable[[str], str] = lambda _: "") -> tuple[int, str]:
        """Exit code, and what was said since it last read; ``shown`` is what it said before."""
        keyboard = Terminal(self._capsys, answer)
        with self._patch.context() as within:
            within.setattr(sys, "stdin", keyboard)
            with pytest.raises(SystemExit) as ended:
                main(list(map(str, arguments)))
        self.shown = keyboard.shown
        said = self._capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    def device(self, name: str = "phone") -> Path:
        assert self.onecard("trust", "keygen", self.directory / name)[0] == 0
        return self.directory / name

    def permit(self, name: str = "permit", *options: str, device: str = "phone", holder: str = "t-17") -> Path:
        file = self.directory / name
        scope = options or ("--role", "maintainer", "--site", "east-hall")
        public = self.directory / f"{device}.pub"
        code, said = self.onecard(
            "platform", "technician", "permit", holder, file, "--device", public, "--dir", self.platform, *scope
        )
        assert code == 0, said
        return file

    def signed(
        self,
        permit: Path,
        challenge: str,
        *,
        terminal: str = "gate-7",
        act: str = "service-clock",
        device: str = "phone",
    ) -> str:
        options = ("--key", self.directory / device, "--terminal", terminal, "--act", act)
        code, said = self.onecard("permit", "sign", permit, *options, "--challenge", challenge)
        assert code == 0, said
        return said

    def reset(self, answer: Callable[[str], str]) -> tuple[int, str]:
        return self.onecard("clock", "reset-floor", "--state-dir", self.state, "--yes", "--json", answer=answer)

    def acknowledge(self) -> None:
        journal = Journal.open(self.state, boot_id(), clock=SystemClock(), random=SystemRandom())
        journal.acknowledge(journal.head.chain_id, journal.head.seq, journal.head.hash)
        journal.close()

    def entries(self) -> list[Entry]:
        outbox = Outbox.open(self.state)
        try:
            return [Record.from_bytes(body).entry for body in outbox.batch(0, 100, 1_000_000)]
        finally:
            outbox.close()


def led_astray() -> TrustedClock:
    boot_ms = [0]
    clock = TrustedClock(lambda: KernelTime(LIE_MS + boot_ms[0], boot_ms[0], synchronised=True, max_error_ms=5))
    clock.signed_at(SIGNED_MS)
    clock.keep()
    boot_ms[0] = STEADY_MS
    clock.keep()
    return clock


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("ONECARD_LANG", "en")
    return Site(tmp_path, capsys, monkeypatch)


def test_a_technician_resets_the_floor_by_permit_and_the_journal_names_it_first(site: Site) -> None:
    permit = site.permit()
    code, said = site.onecard("permit", "show", permit, "--json")
    shown: dict[str, Any] = json.loads(said)
    assert (code, shown["holder"], shown["acts"], shown["sites"]) == (
        0,
        "t-17",
        ["service-clock", "service-configure"],
        ["east-hall"],
    )
    code, said = site.reset(lambda challenge: site.signed(permit, challenge))
    assert code == 0
    assert json.loads(said)["new_floor_ms"] == SIGNED_MS
    act, reset = site.entries()[-2:]
    assert (act.kind, act.reason) == ("service-act", "service-clock")
    assert act.public == {"role": "maintainer", "permit": shown["id"], "holder": "t-17"}
    assert (reset.reason, reset.refers_to) == ("floor-reset", act.id)
    assert "act under a permit" in site.onecard("journal", "list", "--state-dir", site.state)[1]


def test_without_a_permit_nothing_is_done_and_nothing_recorded(site: Site) -> None:
    before = site.entries()
    code, said = site.reset(lambda challenge: "")
    assert code == 1
    assert "needs a technician's permit" in said
    assert site.entries() == before


def test_who_may_not_reset_the_floor_is_not_asked_whether_it_shall_be(site: Site) -> None:
    permit, guard = site.permit(), site.permit("guard", "--role", "guard", "--site", "east-hall")

    def reset(with_permit: Path, sure: str) -> int:
        answers = iter((lambda challenge: site.signed(with_permit, challenge), lambda _: sure))
        typed = ("clock", "reset-floor", "--state-dir", site.state)
        return site.onecard(*typed, answer=lambda challenge: next(answers)(challenge))[0]

    assert reset(guard, "y\n") == 1
    assert "Lead the floor from" not in site.shown
    before = site.entries()
    assert reset(permit, "n\n") == 1
    assert "Lead the floor from" in site.shown
    assert site.entries() == before
    assert reset(permit, "y\n") == 0
    assert [entry.reason for entry in site.entries()[-2:]] == ["service-clock", "floor-reset"]


def test_what_is_refused_is_an_alarm_says_why_and_is_slowed_after_five(site: Site) -> None:
    permit = site.permit()
    elsewhere = site.permit("elsewhere", "--role", "maintainer", "--terminal", "gate-8")
    answers: tuple[tuple[Callable[[str], str], str], ...] = (
        (lambda _: permit.read_text(), "permit-static"),
        (lambda _: site.signed(permit, "AAAAAAAA"), "permit-stale"),
        (lambda challenge: site.signed(permit, challenge, terminal="gate-8"), "permit-other-terminal"),
        (lambda challenge: site.signed(elsewhere, challenge), "permit-elsewhere"),
        (lambda _: "hello", "permit-malformed"),
    )
    assert len(answers) == MOST
    for answer, reason in answers:
        assert site.reset(answer)[0] == 1
        refused = site.entries()[-1]
        assert (refused.kind, refused.reason, refused.public) == ("alarm", reason, {"act": "service-clock"})
    before = site.entries()
    code, said = site.reset(lambda challenge: site.signed(permit, challenge))
    assert code == 1
    assert "refused too often" in said
    assert site.entries() == before


def test_what_one_challenge_was_answered_with_answers_no_other(site: Site) -> None:
    permit = site.permit()
    kept: list[str] = []

    def keep(challenge: str) -> str:
        kept.append(site.signed(permit, challenge))
        return ""

    site.reset(keep)
    code, said = site.reset(lambda _: kept[0])
    assert code == 1
    assert "sign it anew" in said


def test_a_terminal_that_does_not_know_where_it_stands_accepts_no_permit(site: Site) -> None:
    journal = Journal.open(site.state, boot_id(), clock=SystemClock(), random=SystemRandom())
    journal.append([Append(saves={SAVED_PLACE: None})])
    journal.close()
    code, said = site.reset(lambda _: "")
    assert code == 1
    assert "start it once" in said


def test_a_terminal_without_a_site_is_named_in_the_permit(site: Site) -> None:
    journal = Journal.open(site.state, boot_id(), clock=SystemClock(), random=SystemRandom())
    journal.append([Append(saves={SAVED_PLACE: place_saved(Place("gate-7", None))})])
    journal.close()
    of_the_site, named = site.permit(), site.permit("named", "--role", "maintainer", "--terminal", "gate-7")
    code, said = site.reset(lambda challenge: site.signed(of_the_site, challenge))
    assert code == 1
    assert "a terminal without a site is named by --terminal" in said
    assert site.reset(lambda challenge: site.signed(named, challenge))[0] == 0


def test_the_device_signs_only_under_its_own_permit(site: Site) -> None:
    permit = site.permit()
    site.device("other")
    options = ("--terminal", "gate-7", "--act", "service-clock", "--challenge", "AAAAAAAA")
    code, said = site.onecard("permit", "sign", permit, "--key", site.directory / "other", *options)
    assert code == 1
    assert "another device's" in said


@pytest.mark.parametrize("typed", ["XX", "AAAAAAAAA", "AAAA1AAA", ""])
def test_a_challenge_that_was_mistyped_is_told_as_that(site: Site, typed: str) -> None:
    options = ("--terminal", "gate-7", "--act", "service-clock", "--challenge", typed)
    code, said = site.onecard("permit", "sign", site.permit(), "--key", site.directory / "phone", *options)
    assert (code, "'--challenge': should be the 8 characters that the terminal shows" in said) == (2, True), said


def test_what_is_no_permit_is_told_as_that(site: Site) -> None:
    code, said = site.onecard("permit", "show", site.directory / "phone")
    assert (code, f"{site.directory / 'phone'} is no permit" in said) == (1, True), said
    assert "signed act" not in said


@pytest.mark.parametrize(
    ("holder", "options", "told"),
    [
        ("Wang Wu", ("--site", "east-hall"), "1 to 32 of a-z"),
        ("t-17", (), "--terminal or --site"),
        ("t-17", ("--site", "East Hall"), "1 to 32 of a-z"),
        ("t-17", ("--site", "a", "--days", "400"), "366"),
    ],
)
def test_a_permit_without_a_number_a_place_or_an_end_is_not_issued(
    site: Site, holder: str, options: tuple[str, ...], told: str
) -> None:
    file = site.directory / "none"
    fixed = ("--device", site.directory / "phone.pub", "--role", "maintainer", "--dir", site.platform)
    code, said = site.onecard("platform", "technician", "permit", holder, file, *fixed, *options)
    assert code != 0
    assert told in said
    assert not file.exists()


class Wiping:
    """Two technicians who hold keyholders' permits, and what they answer a terminal that is to be wiped."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.device("other")
        scope = ("--role", "keyholder", "--terminal", "gate-7")
        self.first = site.permit("first", *scope)
        self.again = site.permit("again", *scope, device="other")
        self.second = site.permit("second", *scope, device="other", holder="t-18")

    def signed(self, permit: Path, challenge: str, device: str) -> str:
        return self.site.signed(permit, challenge, act="service-wipe", device=device)

    def wipe(
        self, *permits: tuple[Path, str], options: tuple[str, ...] = ("--with-unsent",), sure: str | None = None
    ) -> tuple[int, str]:
        """``sure`` is what is typed when it asks what it does not ask with ``--yes``."""
        shown = iter(permits)

        def answer(challenge: str) -> str:
            permit, device = next(shown, (None, ""))
            return sure or "" if permit is None else self.signed(permit, challenge, device)

        asks = ("--yes",) if sure is None else ()
        return self.site.onecard("decommission", "--state-dir", self.site.state, *asks, *options, answer=answer)


def test_wiping_takes_two_people_and_neither_one_nor_the_same_one_twice(site: Site) -> None:
    wiping = Wiping(site)
    first, again, second = (wiping.first, "phone"), (wiping.again, "other"), (wiping.second, "other")
    for permits, reason in (((first,), "permit-second"), ((first, first), "permit-same-person")):
        assert wiping.wipe(*permits)[0] == 1
        assert site.entries()[-1].reason == reason
    assert wiping.wipe(first, again)[0] == 1, "one person with two devices"
    assert site.entries()[-1].reason == "permit-same-person"
    assert (site.state / "keys").exists()
    code, said = wiping.wipe(first, second)
    assert code == 0, said
    assert not site.state.exists()


def test_a_maintainer_wipes_nothing(site: Site) -> None:
    maintainer = site.permit()
    wiping = Wiping(site)
    assert wiping.wipe((maintainer, "phone"), (wiping.second, "other"))[0] == 1
    assert site.entries()[-1].reason == "permit-role"


def test_the_platform_hears_who_wiped_before_it_is_done(site: Site) -> None:
    wiping = Wiping(site)
    site.acknowledge()
    code, said = wiping.wipe((wiping.first, "phone"), (wiping.second, "other"), options=())
    assert code == 1
    assert "start the terminal until the platform has that" in said
    assert "Error" not in said, "half of it is done as it should be"
    act = site.entries()[-1]
    assert (act.kind, act.reason) == ("service-act", "service-wipe")
    assert (act.public["holder"], act.public["second_holder"]) == ("t-17", "t-18")
    site.acknowledge()
    assert wiping.wipe(options=())[0] == 0, "nobody is asked twice within a day"
    assert not site.state.exists()


def test_permits_come_before_the_question_and_the_record_after_it(site: Site) -> None:
    wiping = Wiping(site)
    first, second = (wiping.first, "phone"), (wiping.second, "other")
    assert wiping.wipe(first, first, sure="y\n")[0] == 1
    assert "What goes" not in site.shown, "who may not is not asked whether it shall be"
    before = site.entries()
    assert wiping.wipe(first, second, sure="n\n")[0] == 1
    assert f"the journal, {len(before)} records, of which the platform lacks {len(before)}" in site.shown
    assert site.entries() == before, "nothing is recorded of what was thought better of"
    assert (site.state / "keys" / "checkpoint.pem").exists()
    assert "(terminal gate-7)" in site.shown
    code, said = wiping.wipe(first, second, sure="y\n")
    assert code == 0
    assert "now, at the platform: onecard platform terminal retire gate-7" in said
    assert not site.state.exists()
