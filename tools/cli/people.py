"""``onecard trust emergency`` and ``onecard trust register``: whom terminals deny at once, and whose card is whose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import click

from agent.bundles.manifest import Kind
from agent.bundles.people import ID_BYTES, MediumState
from agent.words import say, why_en, why_zh
from tools import bundles
from tools.cli import bundle_files
from tools.cli.bundle_files import issue_options, json_option, key_option
from tools.small_files import lines_of

_STATES = {state.name.lower().replace("_", "-"): state for state in MediumState}
_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
T = TypeVar("T")


@click.command(
    help=say(
        "制作并签发紧急名单：各处一律拒绝的码和卡",
        "Make and sign the emergency list: tokens and media denied everywhere",
    )
)
@click.option(
    "--deny",
    type=_FILE,
    metavar=say("文件", "FILE"),
    required=True,
    help=say("每行一个介质编号（32 位十六进制）；-：标准输入", "One medium id a line, 32 hex digits; - for stdin"),
)
@key_option
@issue_options
@json_option
def emergency(
    deny: Path,
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
    content = bundles.emergency_content(set(_lines(deny, _id, say("一个介质编号", "one medium id"))))
    made = bundle_files.issue(Kind.EMERGENCY, Kind.EMERGENCY.value, number, days, grace_days, audience, at_ms)
    bundle_files.write(out, bundles.full_bundle(made, content, bundles.signer_of(key)))
    bundle_files.tell_file(out, as_json)


@click.command(
    help=say(
        "制作并签发卡片登记册：每张卡属于谁，后来怎样",
        "Make and sign a card register: whose each card is, and what became of it",
    )
)
@click.option("--name", default="city", show_default=True, help=say("登记册的名称", "The register's own name"))
@click.option(
    "--namespace", default="city", show_default=True, help=say("主体编号的命名空间", "The namespace of its subjects")
)
@click.option(
    "--rows",
    type=_FILE,
    metavar=say("文件", "FILE"),
    required=True,
    help=say(
        "每行四项，以逗号分隔：介质、主体、权益位、状态（in-use、lost、replaced）；-：标准输入",
        "A line each: medium,subject,entitlement bits,state (in-use, lost, replaced); - for stdin",
    ),
)
@key_option
@issue_options
@json_option
def register(
    name: str,
    namespace: str,
    rows: Path,
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
    content = bundles.register_content(namespace, register_rows(rows))
    made = bundle_files.issue(Kind.REGISTER, f"{Kind.REGISTER.value}-{name}", number, days, grace_days, audience, at_ms)
    bundle_files.write(out, bundles.full_bundle(made, content, bundles.signer_of(key)))
    bundle_files.tell_file(out, as_json)


def register_rows(path: Path) -> Iterator[tuple[bytes, bytes, int, MediumState]]:
    """The rows of a register as ``--rows`` takes them."""
    wanted = say("四项，以逗号分隔：介质、主体、权益位、状态", "medium,subject,entitlement bits,state")
    return _lines(path, _row, wanted)


def _lines(path: Path, read: Callable[[str], T], wanted: str) -> Iterator[T]:
    """Each line that is not empty, read; the first that cannot be is named with its number."""
    try:
        with click.open_file(str(path), encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines_of(lines), 1):
                if not line.strip():
                    continue
                try:
                    yield read(line.strip())
                except (ValueError, KeyError):
                    raise click.ClickException(
                        say(f"{path} 第 {number} 行：应为{wanted}", f"{path}, line {number}: give {wanted}")
                    ) from None
    except OSError as error:
        raise click.ClickException(
            say(f"{path}：无法读取（{why_zh(error)}）", f"{path}: cannot be read ({why_en(error)})")
        ) from error


def _id(text: str) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != ID_BYTES:
        raise ValueError(text)
    return value


def _row(line: str) -> tuple[bytes, bytes, int, MediumState]:
    medium, subject, bits, state = (part.strip() for part in line.split(","))
    entitlements = int(bits)
    if not 0 <= entitlements < 1 << 32:
        raise ValueError(bits)
    return _id(medium), _id(subject), entitlements, _STATES[state]
