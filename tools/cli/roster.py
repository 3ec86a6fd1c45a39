"""``onecard trust roster``: what a site says of its people, signed for its terminals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import click
from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from agent.bundles.manifest import Kind
from agent.bundles.people import ID_BYTES, MAX_NUMBERS
from agent.bundles.table import MAX_ROW_BYTES
from agent.config_model import PersonConfig
from agent.problems import problems_of
from agent.words import say, why_en, why_zh
from profiles.person import Person
from tools import bundles
from tools.cli import bundle_files
from tools.cli.bundle_files import issue_options, json_option, key_option

ROW_BYTES = 192
"""Room for a few areas and two sealed numbers; a delta leads only between rosters of one row size."""
_MAX_LINE_CHARS = 16_384
_SHORTEST_NAME = 2


def _from_hex(value: object) -> object:
    """Bytes; what is no hexadecimal text may be a number that nobody sealed, and goes nowhere."""
    try:
        if isinstance(value, str):
            return bytes.fromhex(value)
    except ValueError:
        pass
    raise PydanticCustomError("said", "{en}", {"zh": "应为十六进制文字", "en": "should be hexadecimal text"})


_Hex = Annotated[bytes, BeforeValidator(_from_hex), Field(min_length=1, max_length=256)]


class RosterLine(PersonConfig):
    """One line: a person, as ``holders[].person`` of a configuration, with subject and sealed numbers."""

    subject: Annotated[bytes, BeforeValidator(_from_hex), Field(min_length=ID_BYTES, max_length=ID_BYTES)]
    numbers: dict[str, _Hex] = Field(default_factory=dict, max_length=MAX_NUMBERS, repr=False)
    name: str | None = Field(default=None, min_length=2, max_length=64, repr=False)
    """Masked here: no bundle holds it."""

    def known(self) -> Person:
        """The same as terminals have it."""
        said = super().known()
        shown_as = said.shown_as if self.name is None else masked(self.name)
        return replace(said, sealed_numbers=MappingProxyType(dict(self.numbers)), shown_as=shown_as)


L = TypeVar("L", bound=RosterLine)


def masked(name: str) -> str:
    """Of a name of two characters the first one, of a longer one the last as well: 张*三. How long it is, is hidden."""
    bare = "".join(name.replace("*", "").split())
    if len(bare) < _SHORTEST_NAME:
        return ""
    return f"{bare[0]}*{bare[-1] if len(bare) > _SHORTEST_NAME else ''}"


@click.command(
    help=say(
        "制作并签发人员名册：每个人的单位、区域、类别、价格档和补贴",
        "Make and sign a roster: unit, areas, category, price class, subsidy of each",
    )
)
@click.option(
    "--name", required=True, help=say("名册自己的名称，如 school-3", "The roster's own name, such as school-3")
)
@click.option(
    "--namespace", default="city", show_default=True, help=say("主体编号的命名空间", "The namespace of its subjects")
)
@click.option(
    "--people",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar=say("文件", "FILE"),
    required=True,
    help=say(
        "每行一个 JSON：subject，以及 unit、areas、category、price_class、subsidy、numbers、pupil、"
        "name（打码后下发）；-：标准输入",
        "JSON lines: subject, and unit, areas, category, price_class, subsidy, numbers, pupil, name (which is masked);"
        " - for stdin",
    ),
)
@click.option(
    "--row-bytes",
    type=click.IntRange(ID_BYTES + 2, MAX_ROW_BYTES),
    default=ROW_BYTES,
    show_default=True,
    help=say("每行至少多少字节；增量要求相同", "At least so many bytes a row; a delta needs the same"),
)
@key_option
@issue_options
@json_option
def roster(
    name: str,
    namespace: str,
    people: Path,
    row_bytes: int,
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
    rows: dict[bytes, Person] = {}
    for place, line in read_lines(people, RosterLine):
        if line.subject in rows:
            raise click.ClickException(
                say(
                    f"{people} 第 {place} 行：此人已在前面", f"{people}, line {place}: this person stands above already"
                )
            )
        rows[line.subject] = line.known()
    content = bundles.roster_content(namespace, list(rows.items()), row_bytes)
    made = bundle_files.issue(Kind.ROSTER, f"{Kind.ROSTER.value}-{name}", number, days, grace_days, audience, at_ms)
    bundle_files.write(out, bundles.full_bundle(made, content, bundles.signer_of(key)))
    bundle_files.tell_file(out, as_json)


def read_lines(path: Path, model: type[L]) -> Iterator[tuple[int, L]]:
    """Every line that is not empty, with its number; the first that cannot be read is named, without what it holds."""
    try:
        with click.open_file(str(path), encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(_MAX_LINE_CHARS), ""), 1):
                if line.strip():
                    yield number, _read(path, number, line, model)
    except OSError as error:
        raise click.ClickException(
            say(f"{path}：无法读取（{why_zh(error)}）", f"{path}: cannot be read ({why_en(error)})")
        ) from error


def _read(path: Path, number: int, line: str, model: type[L]) -> L:
    try:
        document: Any = json.loads(line)
        return model.model_validate(document)
    except (json.JSONDecodeError, RecursionError):
        raise click.ClickException(
            say(f"{path} 第 {number} 行：不是 JSON", f"{path}, line {number}: is not JSON")
        ) from None
    except ValidationError as error:
        problem = problems_of(error, model)[0]
        raise click.ClickException(
            say(f"{path} 第 {number} 行，{problem}", f"{path}, line {number}, {problem}")
        ) from None
