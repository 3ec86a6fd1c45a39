"""``onecard day``: play the script of a scene's day, and see what comes of each step."""

from __future__ import annotations

import difflib
import json
import tempfile
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from agent import logs
from agent.words import say, why_en, why_zh
from agent.yaml_file import MAX_SIZE_BYTES
from tools.cli.presets import preset_names
from tools.days.day import ACTS, Day, DayError, Step, parse_day
from tools.days.play import Played, Result, play
from tools.scenes import DAYS, scene_files


@click.group(help=say("场景的一天：在模拟时间中演练", "The day of a scene, played in no time"))
def day() -> None:
    """Hold the commands about days."""


@day.command(name="list", help=say("列出随场景提供的日程", "List the days that come with the profiles"))
def list_days() -> None:
    """Print name and title of each."""
    for name, file in scene_files(DAYS).items():
        title = parse_day(file.read_text(encoding="utf-8"), name).title
        click.echo(f"{name:<16}{say(title.zh, title.en)}")


@day.command(
    name="play",
    help=say(
        "演练一天并核对每一步；有不符时退出码为 1",
        "Play a day and hold each step against what it promises; exit code 1 where it differs",
    ),
)
@click.argument("name", metavar=say("名称或文件", "NAME|FILE"))
@click.option("--offline", is_flag=True, help=say("全天没有网络", "Without any network, all day"))
@click.option("--json", "as_json", is_flag=True, help=say("一行一个 JSON", "One JSON object a line"))
def play_day(name: str, offline: bool, as_json: bool) -> None:
    """Play one day in a temporary directory."""
    logs.configure(level="error")
    try:
        script = _read(name)
        with tempfile.TemporaryDirectory(prefix="onecard-day-") as directory:
            result = play(script, Path(directory), source=name, offline=offline)
    except DayError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        for played in result.steps:
            click.echo(json.dumps(_facts(played), ensure_ascii=False))
        click.echo(json.dumps({"holds": result.holds, "evening": result.evening}, ensure_ascii=False))
    else:
        _tell(script, result)
    if not result.holds:
        raise SystemExit(1)


def _read(name: str) -> Day:
    """One that comes with a profile, or a file. Raises :class:`~tools.days.day.DayError`."""
    known = scene_files(DAYS)
    if name in known:
        return parse_day(known[name].read_text(encoding="utf-8"), name)
    try:
        with Path(name).open(encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(MAX_SIZE_BYTES + 1)  # parse_day refuses what is longer
    except OSError as error:
        listed, meant = ", ".join(known), _meant(name, known)
        zh, en = (f"；是否指 {meant}？", f"; did you mean {meant}?") if meant else ("", "")
        raise click.ClickException(
            say(
                f"{name}：不是自带的日程（{listed}），作为文件也无法读取（{why_zh(error)}）{zh}",
                f"{name}: no day of this name ({listed}), and no file that can be read ({why_en(error)}){en}",
            )
        ) from error
    return parse_day(text, name)


def _meant(name: str, known: Mapping[str, Traversable]) -> str | None:
    """The day of the preset that bears the name, else the day that is spelt most like it."""
    if name in preset_names():
        days = (
            each for each, file in known.items() if parse_day(file.read_text(encoding="utf-8"), each).preset == name
        )
        return next(days, None)
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


def _tell(script: Day, result: Result) -> None:
    click.echo(say(script.title.zh, script.title.en))
    for played in result.steps:
        came = played.came
        mark = "✗" if played.differences else "✓"
        said = " →".join(say(f" “{shown.zh}”", f' "{shown.en}"') for shown in came.shown)
        reasons = ", ".join(came.reasons) or "-"
        click.echo(f"{mark} {played.moment:%H:%M:%S} {_act_of(played.step):<28} {reasons}{said}")
        for difference in played.differences:
            click.echo(f"    {difference}")
    for problem in result.evening:
        click.echo(f"✗ {say('当晚', 'in the evening')}{say('：', ': ')}{problem}")
    click.echo(
        say("这一天与剧本相符", "the day is as its script says")
        if result.holds
        else say("这一天与剧本不符", "the day is not as its script says")
    )


def _act_of(step: Step) -> str:
    """The step as it was written."""
    for act in ACTS:
        value = getattr(step, act)
        if value is not None:
            off = "" if step.active else say("（复位）", " (off)")
            told = " ".join(value) if isinstance(value, tuple) else getattr(value, "code", value)
            return f"{act} {told}{off}"
    return say("（时间过去）", "(time passes)")


def _facts(played: Played) -> dict[str, object]:
    came = played.came
    return {
        "at": played.moment.isoformat(),
        "reasons": list(came.reasons),
        "opens": list(came.opens),
        "paid_fen": came.paid_fen,
        "says": None if came.says is None else {"zh": came.says.zh, "en": came.says.en},
        "shown": [{"zh": shown.zh, "en": shown.en} for shown in came.shown],
        "alarms": list(came.alarms),
        "differences": list(played.differences),
    }
