"""What ``onecard trust`` and ``onecard status-list`` share: options of an issue, and files of bundles."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from agent.bundles.errors import BundleError
from agent.bundles.install import envelope_of
from agent.bundles.manifest import MAX_GRACE_MS, Kind, Manifest
from agent.credentials.trust import Expiry
from agent.stick_files import shown
from agent.words import say, why_en, why_zh
from tools import bundles
from tools.bundles import Issue
from tools.cli import fields
from tools.cli.times import at_option, iso, now_ms

DAY_MS = 86_400_000
_AUDIENCE = re.compile(r"all|(site|terminal):[a-z0-9-]{1,32}")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
key_option = click.option(
    "--key", type=FILE, required=True, help=say("签名私钥（PEM）", "The private key that signs (PEM)")
)


class _Audience(click.ParamType[str]):
    """For whom a bundle is, as its manifest says it."""

    name = "audience"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _AUDIENCE.fullmatch(str(value)):
            self.fail(
                say(
                    f"{value!r} 应为 all、site:名称 或 terminal:编号",
                    f"{value!r} should be all, site:NAME or terminal:ID",
                ),
                param,
                ctx,
            )
        return str(value)


def issue_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Version, term, audience and where the bundle goes."""
    for option in (
        at_option,
        click.option("--out", "-o", type=OUT, required=True, help=say("写入此文件", "Where the bundle goes")),
        click.option(
            "--audience",
            type=_Audience(),
            metavar=say("接收者", "AUDIENCE"),
            default="all",
            show_default=True,
            help=say("接收者：all、site:名称 或 terminal:编号", "For whom: all, site:NAME or terminal:ID"),
        ),
        click.option(
            "--grace-days",
            type=click.IntRange(0, MAX_GRACE_MS // DAY_MS),
            default=14,
            show_default=True,
            help=say("过期后的宽限天数", "Days of grace after the term"),
        ),
        click.option(
            "--days", type=click.IntRange(0, 3650), default=7, show_default=True, help=say("有效天数", "Term")
        ),
        click.option("--version", "number", type=click.IntRange(1), required=True, help=say("版本号", "Its version")),
    ):
        command = option(command)
    return command


def issue(kind: Kind, name: str, number: int, days: int, grace_days: int, audience: str, at_ms: int | None) -> Issue:
    """What the options say; what they cannot mean is found when the manifest is made."""
    issued_ms = now_ms(at_ms)
    return Issue(kind, name, number, issued_ms, issued_ms + days * DAY_MS, grace_days * DAY_MS, audience)


def make_delta(old: Path, new: Path, key: Path, out: Path, as_json: bool) -> None:
    """Write the delta between two full bundles, and tell it."""
    with naming(old):
        before = bundles.read_full(old)
    with naming(new):
        after = bundles.read_full(new)
    made = bundles.delta_bundle(before, after, bundles.signer_of(key))
    write(out, made)
    tell_file(out, as_json)


def write(out: Path, bundle: bytes) -> None:
    """Write a bundle file."""
    try:
        with out.open("xb") as file:
            file.write(bundle)
    except FileExistsError:
        raise click.ClickException(say(f"{out} 已存在，不会覆盖", f"{out} exists already and stays")) from None
    except OSError as error:
        raise click.ClickException(
            say(f"{out}：无法写入（{why_zh(error)}）", f"{out}: cannot be written ({why_en(error)})")
        ) from error


def tell_file(path: Path, as_json: bool, **more: object) -> None:
    """What the manifest of a file says; nothing of it is verified."""
    with naming(path):
        manifest = bundles.manifest_of(envelope_of(path))
    tell(facts_of(manifest) | more, as_json)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say of which file it is that something is wrong with it as a bundle."""
    try:
        yield
    except BundleError as error:
        raise click.ClickException(say(f"{shown(path)}：{error.zh}", f"{shown(path)}: {error.en}")) from error


def tell(facts: dict[str, object], as_json: bool) -> None:
    """Facts, one a line for people."""
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
    else:
        for name, value in facts.items():
            if value is not None:
                click.echo(fields.line(name, value))


def facts_of(manifest: Manifest) -> dict[str, object]:
    """The manifest for people and machines."""
    return {
        "kind": manifest.kind.value,
        "name": manifest.name,
        "version": manifest.bundle_version,
        "previous_version": manifest.previous_version,
        "issued": iso(manifest.issued_ms),
        "expires": iso(manifest.expires_ms),
        "grace_hours": manifest.grace_ms // 3_600_000,
        "audience": manifest.audience,
        "body_bytes": manifest.body_bytes,
        "content_bytes": manifest.content_bytes,
        "content_sha256": manifest.content_sha256.hex(),
    }


def facts_of_expiry(expiry: Expiry) -> dict[str, object]:
    """How old a list is, and until when it counts."""
    return {
        "freshness": expiry.freshness.value,
        "age_hours": expiry.age_ms // 3_600_000,
        "counts_until": iso(expiry.ends_ms),
    }
