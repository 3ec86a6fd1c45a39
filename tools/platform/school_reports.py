"""`onecard platform school feed` and `attendance`: what guardians were told, and who was at school."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import click

from profiles.reasons import counted
from tools.cli.times import in_calendar
from tools.cli.words import say
from tools.platform.attendance import Presence, PupilDay, attendance
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.ledger import Owner
from tools.platform.notices import CHINA, Told, feed
from tools.platform.owners import OwnerType, shown
from tools.platform.service import Layout
from tools.platform.store import Store

_PRESENCES = {
    Presence.PRESENT: ("在校", "present"),
    Presence.LATE: ("迟到", "late"),
    Presence.ABSENT: ("缺勤", "absent"),
    Presence.ON_LEAVE: ("请假", "on leave"),
    Presence.UNTOLD: ("无记录", "not seen"),
}


@click.command(name="feed", help=say("一位家长收到的通知", "What a guardian was told"))
@click.argument("guardian", type=OwnerType(), metavar=say("家长", "GUARDIAN"))
@click.option(
    "--after",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help=say("只要此编号之后的通知", "Only what follows this number"),
)
@directory_option
@database_option
@json_option
def show_feed(guardian: Owner, after: int, directory: Path, database: str | None, as_json: bool) -> None:
    """In the order of the events."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            told = feed(transaction, guardian, after)
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in told], ensure_ascii=False))
        return
    print_table(
        [say("编号", "number"), say("时间", "time"), say("学生", "pupil"), say("通知", "told"), say("说明", "remarks")],
        [[each.number, _local(each.time_ms), shown(each.pupil), say(each.reason.citizen.zh, each.reason.citizen.en),
          _remarks(each)] for each in told],
        say("还没有通知；名册中写 guardians，学生过闸后就有。",
            "There is nothing yet: name guardians in the roster, and let a pupil pass the gate."),
    )  # fmt: skip


@click.command(name="attendance", help=say("考勤：各班在校、迟到、缺勤、请假", "Attendance figures of each class"))
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help=say("哪一天；默认今天", "Of which day; default: today"),
)
@click.option("--class", "class_name", metavar=say("班级", "CLASS"), help=say("逐人列出一个班", "One class"))
@directory_option
@database_option
@json_option
def show_attendance(
    day: datetime | None, class_name: str | None, directory: Path, database: str | None, as_json: bool
) -> None:
    """From the records of all gates, as far as they have come."""
    asked: date = datetime.now(CHINA).date() if day is None else day.date()
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = attendance(transaction, asked, class_name)
    finally:
        store.close()
    classes = found.by_class()
    if as_json:
        figures = [{"class": each, **_counted(counts)} for each, counts in classes.items()]
        facts: dict[str, object] = {"date": asked.isoformat(), "lessons": found.lessons, "classes": figures}
        if class_name is not None:
            facts["pupils"] = [_pupil_as_json(each) for each in found.pupils]
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    if found.lessons is None:
        click.echo(say(f"{asked}：还没有任何记录。", f"{asked}: no gate has told anything yet."))
    elif not found.lessons:
        click.echo(say(f"{asked}：不上课。", f"{asked}: no lessons."))
    none = say("没有学生；用 onecard platform school roster 导入名册。",
               "There are no pupils: `onecard platform school roster` brings them.")  # fmt: skip
    if class_name is None:
        titles = [say("班级", "class"), say("人数", "pupils"), *(say(*_PRESENCES[each]) for each in Presence)]
        rows = [
            [each, counts.total(), *(counts[presence] for presence in Presence)] for each, counts in classes.items()
        ]
        print_table(titles, rows, none)
        return
    print_table(
        [say("学生", "pupil"), say("考勤", "attendance"), say("到校", "came"), say("迟到分钟", "minutes late")],
        [[shown(each.pupil), say(*_PRESENCES[each.presence]), "" if each.came_ms is None else _local(each.came_ms),
          each.minutes_late or ""] for each in found.pupils],
        none,
    )  # fmt: skip


def _counted(counts: Counter[Presence]) -> dict[str, int]:
    return {"pupils": counts.total()} | {each.value.replace("-", "_"): counts[each] for each in Presence}


def _pupil_as_json(each: PupilDay) -> dict[str, object]:
    came = {"presence": each.presence.value, "came_ms": each.came_ms, "minutes_late": each.minutes_late}
    return {"pupil": shown(each.pupil), "class": each.class_name, **came}


def _as_json(each: Told) -> dict[str, object]:
    return {
        "number": each.number,
        "pupil": shown(each.pupil),
        "reason": each.reason.code,
        "time_ms": each.time_ms,
        "received_ms": each.received_ms,
        "minutes_late": each.minutes_late,
        "back_by_ms": each.back_by_ms,
        "stale": each.stale,
    }


def _remarks(each: Told) -> str:
    said = []
    if each.minutes_late:
        said.append(say(f"晚 {each.minutes_late} 分钟", f"{counted(each.minutes_late, 'minute')} late"))
    if each.back_by_ms is not None:
        said.append(say(f"应于 {_local(each.back_by_ms)} 前返校", f"back by {_local(each.back_by_ms)}"))
    if each.stale:
        said.append(say(f"补报，{_local(each.received_ms)} 才收到", f"old news, received {_local(each.received_ms)}"))
    return say("，", ", ").join(said)


def _local(time_ms: int) -> str:
    return in_calendar(time_ms, CHINA).strftime("%Y-%m-%d %H:%M")
