"""A configuration that cannot be used says which file, which key, and what would be right."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from agent.config import ConfigError, Resolved, load, parse
from profiles.person import Person
from tools.cli.presets import preset_names, preset_text

GOOD = preset_text("gate")


def read(text: str, *overrides: str) -> Resolved:
    return parse(text, "gate.yaml", Path("/srv/onecard"), overrides)


def problem(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, *overrides)
    return str(caught.value)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_good(name: str) -> None:
    assert read(preset_text(name)).config.lanes


def test_relative_paths_start_at_the_file() -> None:
    assert read(GOOD).config.terminal.state_dir == Path("/srv/onecard/state/gate-001")


@pytest.mark.parametrize(
    ("old", "new", "path", "remedy"),
    [
        ("board: board", "bord: board", "lanes.north-in.bord", "did you mean board?"),
        ("double_tap_ms: 3000", "double_tap: 3", "lanes.north-in.settings.double_tap", "did you mean double_tap_ms?"),
        ("double_tap_ms: 3000", "double_tap_ms: soon", "lanes.north-in.settings.double_tap_ms", "whole number"),
        ("double_tap_ms: 3000", "double_tap_ms: -1", "lanes.north-in.settings.double_tap_ms", "at least 0"),
        ("driver: pn532", "driver: pn533", "devices.card-field.driver", "did you mean pn532?"),
        ("profile: gate", "profile: gaet", "lanes.north-in.profile", "did you mean gate?"),
        ("board: board", "board: bored", "lanes.north-in.board", "did you mean board?"),
        ("  id: gate-001", "  id: Gate 001", "terminal.id", "should be 1 to 32 of the characters a-z, 0-9 and -"),
        ("  id: gate-001\n", "", "terminal.id", "is missing"),
        ("admit: {everyone: true}", "admit: {}", "lanes.north-in.settings.admit", "name somebody"),
        ("outputs: {gate: 0}", "outputs: {gate: many}", "devices.board.outputs", ""),
        ("board: board", "board: scanner", "lanes.north-in.board", "scanner is no board"),
        ("card-field, scanner]", "card-field, board]", "lanes.north-in.readers", "belongs under board:"),
        ("card-field, scanner]", "card-field, card-field]", "lanes.north-in.readers", "stands here twice"),
        ("{gate: 0}", "{gate: true}", "devices.board.outputs.gate", "should be a whole number"),
        ("fire-reset: 2}", "fire-reset: true}", "devices.board.inputs.fire-reset.address", "should be a whole number"),
        ("reset_input: fire-reset, ", "", "devices.board.fire.reset_input", "is missing"),
        ("passage_input: passage", "passage_input: sensor", "lanes.north-in.settings.passage_input", "known: passage"),
        ("open_pulse_ms", "output: door\n      open_pulse_ms", "lanes.north-in.settings.output", "no output 'door'"),
        ("fire_input: fire", "fire_input: fire-reset", "lanes.north-in.settings.fire_input", "nothing would open"),
        ("passage_input: passage", "passage_input: fire", "lanes.north-in.settings.passage_input", "is the fire input"),
        ("${virtual}/scanner", "${virtual}/pn532", "devices.scanner.port", "serves card-field already"),
        ("${virtual}/scanner", "${vitual}/scanner", "devices.scanner.port", "no such variable"),
        ("state_dir: state/gate-001", "state_dir: ~nobody-of-this-name/x", "terminal.state_dir", "home directory"),
        ("[any, pass]", "[any, passs]", "lanes.north-in.settings.codes.purposes", "should be one of any, pass"),
        ("fire_input: fire", "fire_input: smoke", "lanes.north-in.settings.fire_input", "no input 'smoke'"),
        (
            "direction: in",
            'schedule: {calendar: {holidays: ["2027-02-30"]}}',
            "lanes.north-in.settings.schedule.calendar.holidays",
            "should be a date in quotes",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(old: str, new: str, path: str, remedy: str) -> None:
    assert old in GOOD
    text = problem(GOOD.replace(old, new))
    assert f"gate.yaml: {path}" in text
    assert remedy in text


def test_a_card_is_lent_until_a_local_time_and_a_wrong_one_is_told() -> None:
    lent = GOOD + f'\nholders: [{{medium: "{"0f" * 16}", entitlements: [visitor], valid_until: "%s"}}]\n'
    config = parse(lent % "2026-11-26 18:00", "gate.yaml", Path()).config
    assert config.holders[0].valid_until == datetime(2026, 11, 26, 18)  # noqa: DTZ001 -- local, as people write it
    for wrong in ("soon", "2026-02-30 18:00", "2026-11-26 18:00+08:00"):
        assert "should be a local time in quotes" in problem(lent % wrong)


def test_a_reader_that_is_not_the_lanes_own_is_told() -> None:
    text = preset_text("turnstile").replace("exit_readers: [slot-out]", "exit_readers: [slot-oat]")
    told = problem(text)
    assert "lanes.main.settings.exit_readers" in told
    assert "did you mean slot-out?" in told


def test_all_problems_are_told_at_once() -> None:
    text = problem(GOOD.replace("driver: pn532", "driver: x").replace("profile: gate", "profile: y"))
    assert "devices.card-field.driver" in text
    assert "lanes.north-in.profile" in text


@pytest.mark.parametrize(
    "broken",
    [("id: gate-001", "id: Gate 001"), ("terminal:", "platform: {}\nterminal:"), ("terminal:", "x: 1\nterminal:")],
)
def test_a_mistake_in_one_section_hides_none_in_another(broken: tuple[str, str]) -> None:
    text = problem(GOOD.replace(*broken).replace("driver: pn532", "driver: x").replace("profile: gate", "profile: y"))
    assert len(text.splitlines()) >= 3
    assert "devices.card-field.driver" in text
    assert "lanes.north-in.profile" in text


def test_an_alias_is_refused_with_its_line_before_it_can_grow() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    assert "line 2: no alias such as *a0 may stand here" in problem(bomb)
    assert "line 1: no alias such as *me" in problem("me: &me [*me]")


@pytest.mark.parametrize("deep", ["[" * 200_000, "a: " + "[" * 40 + "]" * 40, "{a: " * 40 + "1" + "}" * 40])
def test_what_lies_too_deep_is_refused_with_its_line(deep: str) -> None:
    assert "line 1: nested deeper than 32 levels" in problem(deep)


def test_the_same_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_LANG", "zh")
    assert "没有这个键，是否指 board？" in problem(GOOD.replace("board: board", "bord: board"))


def test_a_key_that_stands_twice_is_refused_with_its_line() -> None:
    assert "line 3: the key 'a'" in problem("b: 1\na: 1\na: 2\n")


@pytest.mark.parametrize(
    "text",
    ["", "[1, 2]", "just text", "a: [", "\t- x", "a: !!python/object:os.system {}", "? {a: 1}\n: 2", "&a [*a]", "\x00"],
)
def test_what_is_not_a_configuration_is_refused_with_a_sentence(text: str) -> None:
    assert problem(text).startswith("gate.yaml: ")


def test_a_line_serves_one_lane() -> None:
    lane = GOOD[GOOD.index("  north-in:") :].replace("north-in", "north-out")
    text = problem(GOOD + lane.replace("[card-slot, card-field, scanner]", "[card-slot]"))
    assert "lanes.north-out.settings.output: gate serves north-in.output already" in text
    assert "lanes.north-out.settings.passage_input: passage serves north-in.passage_input already" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("terminal:\n\tid: x", "line 2: no tabs for indentation"),
        ("? [a]\n: 2", "a key should be text"),
    ],
)
def test_what_technicians_write_by_mistake_is_said_plainly(text: str, words: str) -> None:
    assert words in problem(text)


def test_bytes_that_are_no_text_in_an_override_are_a_sentence() -> None:
    assert "is not UTF-8 text" in problem(GOOD, "logs.level=\udcff")


def test_an_unknown_key_hides_no_mistake_beside_it() -> None:
    text = problem(GOOD.replace("board: board", "bord: board").replace("direction: in", "direction: up"))
    assert "lanes.north-in.bord" in text
    assert "lanes.north-in.settings.direction" in text


def test_one_reader_cannot_serve_two_lanes() -> None:
    lane = GOOD[GOOD.index("  north-in:") :]
    assert "already belongs to lane north-in" in problem(GOOD + lane.replace("north-in", "north-out"))


def test_an_override_changes_one_value() -> None:
    resolved = read(GOOD, "lanes.north-in.settings.open_pulse_ms=900", "terminal.id=gate-007")
    assert resolved.profiles["north-in"].model_dump()["open_pulse_ms"] == 900
    assert resolved.config.terminal.id == "gate-007"


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("terminal.id", "path.to.key=value"),
        ("=x", "path.to.key=value"),
        ("terminal.id.deeper=1", "holds a value"),
        ("logs.level=[", "the value"),
        ("logs.level=loud", "should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_override_is_refused_with_its_form(override: str, remedy: str) -> None:
    assert remedy in problem(GOOD, override)


def test_a_medium_stands_in_one_row_only() -> None:
    row = "\nholders:\n" + '  - {medium: "00000000000000000000000000000001"}\n' * 2
    assert "stands in two rows" in problem(GOOD + row)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"terminal: \xe4\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "latin.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_text_that_no_path_can_hold_is_named_with_its_line() -> None:
    with pytest.raises(ConfigError, match="line 2: a text cannot hold a NUL"):
        parse('terminal:\n  state_dir: "a\\0b"\n', "file", Path("/"))


@pytest.mark.parametrize("value", ['!!int ""', "!!bool maybe", "!!timestamp nope", "!!float x"])
def test_a_tag_that_its_text_does_not_fit_is_one_sentence(value: str) -> None:
    with pytest.raises(ConfigError, match="not plain YAML"):
        parse(f"terminal: {value}\n", "file", Path("/"))


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError):
        load(Path("/dev/zero"))


def test_a_holder_may_be_described_as_a_roster_would() -> None:
    row = f'holders:\n  - {{medium: "{"a" * 32}", person: {{unit: kitchen, areas: [hall], subsidy: lunch}}}}\n'
    (holder,) = read(GOOD + row).config.holders
    assert holder.person is not None
    assert holder.person.known() == Person(unit="kitchen", areas=frozenset({"hall"}), subsidy="lunch")
    assert "holders.0.person.unit" in problem(GOOD + row.replace("kitchen", "Küche"))
