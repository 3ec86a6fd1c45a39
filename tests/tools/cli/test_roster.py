"""``onecard trust roster``: from lines of JSON to what a terminal's profiles are told of a subject."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.bundles.manifest import Kind
from profiles.api import Subject
from profiles.person import Person
from profiles.pupil import Consent, Leave, Pupil
from tests.agent.bundles.parts import BUNDLE, Terminal, private_pem, some_id
from tools.cli.main import cli
from tools.cli.roster import masked

AT = "2026-11-23T11:00:00+08:00"
LI, WANG = some_id(2), some_id(3)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal's bundles on a store of its own."""
    terminal = Terminal(tmp_path / "state")
    yield terminal
    terminal.stop()


def line(subject: bytes, **said: Any) -> str:
    return json.dumps({"subject": subject.hex()} | said) + "\n"


def roster(home: Path, version: int, people: str, *more: str) -> Result:
    (home / "bundle.pem").write_bytes(private_pem(BUNDLE.key))
    arguments = ["trust", "roster", "--name", "canteen-1", "--people", "-", "--key", str(home / "bundle.pem")]
    out = ["--version", str(version), "--audience", "all", "--at", AT, "-o", str(home / f"{version}.bundle")]
    return CliRunner().invoke(cli, [*arguments, *out, *more], input=people)


async def test_people_go_from_lines_into_force_and_change_by_a_delta(terminal: Terminal, tmp_path: Path) -> None:
    kitchen = line(LI, unit="kitchen", areas=["hall", "store"], category="staff", price_class="a", subsidy="lunch")
    assert roster(tmp_path, 1, kitchen + "\n" + line(WANG)).exit_code == 0
    assert roster(tmp_path, 2, line(LI, unit="retired", numbers={"patron": "a1b2"})).exit_code == 0
    await terminal.install((tmp_path / "1.bundle").read_bytes())
    told = terminal.bundles.lists.current().person
    said = Person("kitchen", frozenset({"hall", "store"}), "staff", "a", "lunch")
    assert (told(Subject("city", LI)), told(Subject("city", WANG))) == (said, Person())
    delta = ["trust", "delta", str(tmp_path / "1.bundle"), str(tmp_path / "2.bundle")]
    made = CliRunner().invoke(cli, [*delta, "--key", str(tmp_path / "bundle.pem"), "-o", str(tmp_path / "1-2.bundle")])
    assert made.exit_code == 0, made.output
    await terminal.install((tmp_path / "1-2.bundle").read_bytes())
    told = terminal.bundles.lists.current().person
    assert told(Subject("city", LI)) == Person("retired", sealed_numbers={"patron": b"\xa1\xb2"})
    assert told(Subject("city", WANG)) is None
    assert terminal.standing() == {f"{Kind.ROSTER.value}-canteen-1": 2}


PUPIL = {
    "consent": "given",
    "boards": True,
    "day_limit_fen": 1500,
    "leaves": [{"from": "2026-11-27T16:00+08:00", "until": "2026-11-29T19:00+08:00"}],
}


async def test_a_pupil_comes_with_a_masked_name_and_the_name_itself_stays_here(
    terminal: Terminal, tmp_path: Path
) -> None:
    assert roster(tmp_path, 1, line(LI, unit="class-3-2", name="张小三", pupil=PUPIL)).exit_code == 0
    bundle = (tmp_path / "1.bundle").read_bytes()
    await terminal.install(bundle)
    person = terminal.bundles.lists.current().person(Subject("city", LI))
    leave = Leave(1_795_766_400_000, 1_795_950_000_000)
    assert person == Person("class-3-2", shown_as="张*三", pupil=Pupil(Consent.GIVEN, True, 1_500, (leave,)))
    assert "小".encode() not in b"".join(path.read_bytes() for path in terminal.state_dir.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("name", "shown"),
    [("张三", "张*"), ("张小三", "张*三"), ("欧阳娜娜", "欧*娜"), ("Li Wei", "L*i"), ("张 *三", "张*")],
)
def test_a_masked_name_hides_what_lies_between_and_how_long_it_is(name: str, shown: str) -> None:
    assert masked(name) == shown


@pytest.mark.parametrize(
    ("people", "told"),
    [
        ("Li, kitchen\n", "line 1: is not JSON"),
        ("[" * 50_000 + "\n", "line 1: is not JSON"),
        ("[]\n", "line 1"),
        (line(LI) + '{"unit": "kitchen"}\n', "line 2, subject: is missing"),
        ('{"subject": "00"}\n', "line 1, subject"),
        ('{"subject": "zz"}\n', "line 1, subject"),
        (line(LI, unit="厨房"), "line 1, unit: should be 1 to 32"),
        (line(LI, unti="kitchen"), "did you mean unit?"),
        (line(LI, numbers={"patron": "R123"}), "line 1, numbers.patron"),
        (line(LI, shown_as="张小三"), "line 1, shown_as: should be a masked name"),
        (line(LI, name="三"), "line 1, name: is too short"),
        (line(LI, pupil={}), "line 1, pupil.consent: is missing"),
        (line(LI, pupil={"consent": "yes"}), "line 1, pupil.consent: should be"),
        (
            line(LI, pupil=PUPIL | {"leaves": [{"from": "2026-11-27T16:00", "until": "x"}]}),
            "pupil.leaves.0.from: should",
        ),
        (
            line(LI, pupil=PUPIL | {"leaves": [{"from": "2026-11-27T16:00+08:00", "until": "2026-11-27T16:00+08:00"}]}),
            "until should be later than from",
        ),
        (line(LI) + line(LI), "line 2: this person stands above already"),
        (line(LI, areas=[f"{number:0>32}" for number in range(64)]), "somebody takes"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line_and_never_shown(people: str, told: str, tmp_path: Path) -> None:
    done = roster(tmp_path, 1, people)
    said = done.stderr + str(done.exception)
    assert done.exit_code == 1
    assert told in said
    assert "R123" not in said
    assert not (tmp_path / "1.bundle").exists()
