"""`onecard platform school`: its roster and its calendar, for the terminals and for the platform itself."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated

import click
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from agent.bundles.errors import BundleError
from agent.bundles.manifest import MAX_GRACE_MS, Kind
from profiles.person import Person
from tools import bundles
from tools.cli.roster import ROW_BYTES, RosterLine, read_lines
from tools.cli.school_calendar import read_dates
from tools.cli.words import say
from tools.platform import pupils
from tools.platform.command_options import database_option, directory_option
from tools.platform.errors import PlatformError
from tools.platform.give_out import DAY_MS, give_out, publishing
from tools.platform.ledger import Owner
from tools.platform.owners import owner_of
from tools.platform.pupils import MAX_GUARDIANS, Enrolled
from tools.platform.school_prints import print_code
from tools.platform.school_reports import show_attendance, show_feed
from tools.platform.service import Layout
from tools.platform.store import Store

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def _owner(value: object) -> object:
    found = owner_of(value) if isinstance(value, str) else None
    if found is None:
        said = {"zh": "应为命名空间、冒号和 32 位十六进制数字", "en": "should be NAMESPACE:ID, the id 32 hex digits"}
        raise PydanticCustomError("said", "{en}", said)
    return found


class PupilLine(RosterLine):
    """One line of a school's list: as a roster's, and who is told of the pupil."""

    guardians: tuple[Annotated[Owner, BeforeValidator(_owner)], ...] = Field(default=(), max_length=MAX_GUARDIANS)


@click.group(name="school", help=say("学校：名册、校历、通知、考勤", "A school: roster, calendar, notices, attendance"))
def school_group() -> None:
    """Hold the commands about schools."""


_days = click.option(
    "--days", type=click.IntRange(1, 3650), default=30, show_default=True, help=say("有效天数", "Term")
)
_grace_days = click.option(
    "--grace-days",
    type=click.IntRange(0, MAX_GRACE_MS // DAY_MS),
    default=30,
    show_default=True,
    help=say("宽限天数", "Days of grace"),
)


@school_group.command(
    name="roster",
    help=say(
        "以名单取代学校名册并下发：每行一个 JSON，同 onecard trust roster，另加 guardians",
        "Replace a school's roster and give it out: JSON lines as `onecard trust roster` takes them, with guardians",
    ),
)
@click.argument("file", metavar=say("文件", "FILE"), type=_FILE)
@click.option("--name", default="school", show_default=True, help=say("名册的名称", "Of the bundle roster-…"))
@click.option(
    "--namespace", default="city", show_default=True, help=say("主体编号的命名空间", "The namespace of its subjects")
)
@_days
@_grace_days
@directory_option
@database_option
def bring_roster(
    file: Path, name: str, namespace: str, days: int, grace_days: int, directory: Path, database: str | None
) -> None:
    """The pupils and their guardians stay here, the rest goes to the terminals."""
    people: dict[bytes, Person] = {}
    enrolled: list[Enrolled] = []
    for number, line in read_lines(file, PupilLine):
        if line.subject in people:
            said = (f"{file} 第 {number} 行：此人已在前面", f"{file}, line {number}: this person stands above already")
            raise PlatformError(say(*said))
        person = people[line.subject] = line.known()
        if person.pupil is not None:
            guardians = tuple(dict.fromkeys(line.guardians))
            enrolled.append(Enrolled((namespace, line.subject), person.unit, person.pupil, guardians))
    _check(name)
    layout, bundle = Layout(directory), f"{Kind.ROSTER.value}-{name}"
    content = bundles.roster_content(namespace, list(people.items()), ROW_BYTES)
    store = Store.open(database or layout.database_url)
    try:
        with publishing(layout), store.transaction() as transaction:
            pupils.replace_all(transaction, bundle, enrolled)
            version = give_out(layout, Kind.ROSTER, bundle, content, _now_ms(), days, grace_days)
    except BundleError as error:
        raise PlatformError(say(error.zh, error.en)) from error
    finally:
        store.close()
    click.echo(
        say(
            f"已下发：{bundle} {version}，{len(people)} 人，其中学生 {len(enrolled)} 人",
            f"to be given out: {bundle} {version}, {len(people)} {'person' if len(people) == 1 else 'people'},"
            f" {len(enrolled)} of them pupils",
        )
    )


@school_group.command(
    name="calendar", help=say("下发校历：学期、放假日、调休日", "Give out the calendar: terms, days off, swapped days")
)
@click.argument("file", metavar=say("文件", "FILE"), type=_FILE)
@click.option("--name", default="school", show_default=True, help=say("校历的名称", "Of the bundle calendar-…"))
@_days
@_grace_days
@directory_option
def bring_calendar(file: Path, name: str, days: int, grace_days: int, directory: Path) -> None:
    """As `onecard trust calendar --dates` takes it."""
    _check(name)
    bundle, content = f"{Kind.CALENDAR.value}-{name}", bundles.calendar_content(read_dates(file).known())
    layout = Layout(directory)
    with publishing(layout):
        version = give_out(layout, Kind.CALENDAR, bundle, content, _now_ms(), days, grace_days)
    click.echo(say(f"已下发：{bundle} {version}", f"to be given out: {bundle} {version}"))


def _check(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise PlatformError(say("名称只能用小写字母、数字和连字符。", "A name is of the characters a-z, 0-9 and -."))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


school_group.add_command(print_code)
school_group.add_command(show_feed)
school_group.add_command(show_attendance)
