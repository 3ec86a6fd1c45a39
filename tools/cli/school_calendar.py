"""``onecard trust calendar``: a school's terms, holidays and swapped days, signed for its terminals."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import ValidationError

from agent.bundles.manifest import Kind
from agent.problems import problems_of
from agent.words import say, why_en, why_zh
from agent.yaml_file import MAX_SIZE_BYTES, YamlError, parse_yaml
from profiles.rules.term import CalendarDates
from tools import bundles
from tools.cli import bundle_files
from tools.cli.bundle_files import FILE, issue_options, json_option, key_option


@click.command(
    name="calendar",
    help=say(
        "制作并签发校历：学期、放假日、调休日", "Make and sign a school's calendar: terms, days off, swapped days"
    ),
)
@click.option(
    "--name",
    default="school",
    show_default=True,
    help=say("校历的名称，如 school-3", "Its own name, such as school-3"),
)
@click.option(
    "--dates",
    type=FILE,
    metavar=say("文件", "FILE"),
    required=True,
    help=say(
        'YAML 或 JSON：terms（每项 from、to）、holidays、workdays，日期如 "2026-09-01"',
        'YAML or JSON: terms (from and to of each), holidays, workdays; dates as "2026-09-01"',
    ),
)
@key_option
@issue_options
@json_option
def school_calendar(
    name: str,
    dates: Path,
    key: Path,
    number: int,
    days: int,
    grace_days: int,
    audience: str,
    out: Path,
    at_ms: int | None,
    as_json: bool,
) -> None:
    """Write a full bundle."""
    content = bundles.calendar_content(read_dates(dates).known())
    made = bundle_files.issue(Kind.CALENDAR, f"{Kind.CALENDAR.value}-{name}", number, days, grace_days, audience, at_ms)
    bundle_files.write(out, bundles.full_bundle(made, content, bundles.signer_of(key)))
    bundle_files.tell_file(out, as_json)


def read_dates(path: Path) -> CalendarDates:
    """The first thing that is wrong with the file is said, with its key."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            document = parse_yaml(file.read(MAX_SIZE_BYTES + 1))
        return CalendarDates.model_validate(document)
    except OSError as error:
        said = say(f"{path}：无法读取（{why_zh(error)}）", f"{path}: cannot be read ({why_en(error)})")
    except YamlError as error:
        said = say(f"{path}：YAML 格式错误：{error.zh}", f"{path}: is not plain YAML: {error.en}")
    except ValidationError as error:
        problem = problems_of(error, CalendarDates)[0]
        said = say(f"{path}：{problem}", f"{path}: {problem}")
    raise click.ClickException(said)
