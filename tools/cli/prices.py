"""``onecard trust price-list`` and ``onecard trust tariff``: what terminals charge, signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import BaseModel, ValidationError

from agent.bundles.manifest import Kind
from agent.problems import problems_of
from agent.words import say
from agent.yaml_file import YamlError, parse_yaml
from tools import bundles
from tools.cli import bundle_files
from tools.cli.bundle_files import FILE, issue_options, json_option, key_option
from tools.prices import PriceFile, TariffFile
from tools.small_files import read_small

_F = TypeVar("_F", bound=BaseModel)


def _source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The bundle's own name, and the file that people write."""
    for option in (
        click.option("--name", required=True, help=say("自己的名称，如 canteen-1", "Its own name, such as canteen-1")),
        click.argument("file", metavar=say("文件", "FILE"), type=FILE),
    ):
        command = option(command)
    return command


@click.command(
    name="price-list",
    help=say(
        "制作并签发价目表：从 YAML 文件（docs/tariffs.md）", "Make and sign a price list, from YAML (docs/tariffs.md)"
    ),
)
@_source_options
@key_option
@issue_options
@json_option
def price_list(file: Path, name: str, as_json: bool, **issue: Any) -> None:
    """Write a full bundle."""
    with bundle_files.naming(file):
        content = _read(file, PriceFile).content()
    _write(Kind.PRICES, name, content, as_json, **issue)


@click.command(
    help=say(
        "制作并签发费率：优惠、分段和区间，从 YAML 文件（docs/tariffs.md）",
        "Make and sign a tariff: promotions, steps and pairs, from YAML (docs/tariffs.md)",
    )
)
@_source_options
@key_option
@issue_options
@json_option
def tariff(file: Path, name: str, as_json: bool, **issue: Any) -> None:
    """Write a full bundle."""
    with bundle_files.naming(file):
        content = _read(file, TariffFile).content()
    _write(Kind.TARIFF, name, content, as_json, **issue)


def _write(
    kind: Kind,
    name: str,
    content: bytes,
    as_json: bool,
    *,
    key: Path,
    number: int,
    days: int,
    grace_days: int,
    audience: str,
    out: Path,
    at_ms: int | None,
) -> None:
    made = bundle_files.issue(kind, f"{kind.value}-{name}", number, days, grace_days, audience, at_ms)
    bundle_files.write(out, bundles.full_bundle(made, content, bundles.signer_of(key)))
    bundle_files.tell_file(out, as_json)


def _read(file: Path, model: type[_F]) -> _F:
    """What a file says, or its first problem and the place of it."""
    try:
        return model.model_validate(parse_yaml(read_small(file).decode("utf-8", errors="surrogateescape")))
    except YamlError as error:
        raise click.ClickException(say(f"{file}：{error.zh}", f"{file}: {error.en}")) from None
    except ValidationError as error:
        problem = problems_of(error, model)[0]
        raise click.ClickException(say(f"{file}：{problem}", f"{file}: {problem}")) from None
