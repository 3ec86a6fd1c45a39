"""``onecard status-list``: deny lists by index, made and signed as the platform does, and looked into."""

from __future__ import annotations

from pathlib import Path

import click

from agent.bundles.data import read_data
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.install import Shelf
from agent.bundles.manifest import Kind, Manifest
from agent.credentials.status import StatusList
from agent.words import say, why_en, why_zh
from offline_store.bundles import installed
from profiles.reasons import Sentence
from tools import bundles
from tools.cli import bundle_files
from tools.cli.bundle_files import FILE, OUT, issue_options, json_option, key_option
from tools.cli.place import existing, state_dir_option
from tools.cli.times import at_option, now_ms
from tools.small_files import lines_of

_MAX_ENTRIES = 1 << 29


@click.group(name="status-list", help=say("吊销名单：制作、修改、查询", "Deny lists: make, change, look into"))
def status_list() -> None:
    """Hold the status-list commands."""


@status_list.command(help=say("制作并签发完整名单", "Make and sign a full list"))
@click.option("--issuer", type=click.IntRange(0, 0xFFFF), required=True, help=say("签发者", "Whose credentials"))
@click.option(
    "--entries", type=click.IntRange(1, _MAX_ENTRIES), required=True, help=say("总条数", "How many there are")
)
@click.option(
    "--revoked",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar=say("文件", "FILE"),
    required=True,
    help=say("每行一个序号；-：标准输入", "One entry a line; - for stdin"),
)
@key_option
@issue_options
@json_option
def build(
    issuer: int,
    entries: int,
    revoked: Path,
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
    try:
        with click.open_file(str(revoked), encoding="utf-8", errors="replace") as lines:
            listed = [_entry(line, number, entries) for number, line in enumerate(lines_of(lines), 1) if line.strip()]
    except OSError as error:
        raise click.ClickException(
            say(f"{revoked}：无法读取（{why_zh(error)}）", f"{revoked}: cannot be read ({why_en(error)})")
        ) from error
    content = bundles.status_content(entries, listed)
    made = bundle_files.issue(Kind.STATUS, f"status-{issuer}", number, days, grace_days, audience, at_ms)
    bundle_files.write(out, bundles.full_bundle(made, content, bundles.signer_of(key)))
    bundle_files.tell_file(out, as_json)


@status_list.command(
    help=say("由前后两个完整名单制作增量包", "Make the delta that leads from one full list to the next")
)
@click.argument("old", metavar=say("旧文件", "OLD"), type=FILE)
@click.argument("new", metavar=say("新文件", "NEW"), type=FILE)
@key_option
@click.option("--out", "-o", type=OUT, required=True, help=say("写入此文件", "Where the bundle goes"))
@json_option
def delta(old: Path, new: Path, key: Path, out: Path, as_json: bool) -> None:
    """Write a delta."""
    bundle_files.make_delta(old, new, key, out, as_json)


@status_list.command(
    help=say(
        "查看完整的名单文件：说明，以及其中已吊销多少条",
        "Show a full list: its manifest, and how many entries are revoked",
    )
)
@click.argument("file", metavar=say("文件", "FILE"), type=FILE)
@json_option
def show(file: Path, as_json: bool) -> None:
    """Print the manifest and the counts; nothing is verified here."""
    with bundle_files.naming(file):
        full = bundles.read_full(file)
    _of_kind(full.manifest)
    revoked = int.from_bytes(full.content, "little").bit_count()
    bundle_files.tell_file(file, as_json, entries=8 * len(full.content), revoked=revoked)


@status_list.command(
    help=say(
        "在终端已安装的名单中查询；有一条已吊销时退出码为 1",
        "Ask the list that a terminal holds; exit code 1 if one is revoked",
    )
)
@click.argument("indexes", metavar=say("序号…", "INDEX…"), type=click.IntRange(0), nargs=-1, required=True)
@click.option("--issuer", type=click.IntRange(0, 0xFFFF), required=True, help=say("签发者", "Whose credentials"))
@state_dir_option
@at_option
@json_option
@click.pass_context
def lookup(
    ctx: click.Context, indexes: tuple[int, ...], issuer: int, state_dir: Path, at_ms: int | None, as_json: bool
) -> None:
    """Answer as a lane does."""
    name = f"status-{issuer}"
    existing(state_dir)
    found = next((row.manifest for row in installed(state_dir) if row.name == name), None)
    if found is None:
        raise click.ClickException(
            say(f"终端没有签发者 {issuer} 的名单", f"the terminal holds no list of issuer {issuer}")
        )
    manifest = Manifest.decode(found)
    try:
        data = read_data(Shelf(state_dir).path(manifest))
    except OSError as error:
        raise BundleError(BundleFault.UNREADABLE, name) from error
    listed = StatusList(data, 8 * len(data), manifest.term, manifest.bundle_version)
    answers: dict[str, object] = {str(index): "revoked" if listed.revoked(index) else "valid" for index in indexes}
    expiry = bundle_files.facts_of_expiry(manifest.term.expiry(now_ms(at_ms)))
    bundle_files.tell({"version": listed.version, **expiry, **answers}, as_json)
    ctx.exit(1 if "revoked" in answers.values() else 0)


def _entry(line: str, number: int, entries: int) -> int:
    text = line.strip()
    if not (text.isascii() and text.isdecimal() and int(text) < entries):
        raise click.ClickException(
            say(
                f"第 {number} 行：应为一个 0 至 {entries - 1} 的序号",
                f"line {number}: give one entry a line, from 0 to {entries - 1}",
            )
        )
    return int(text)


def _of_kind(manifest: Manifest) -> None:
    if manifest.kind is not Kind.STATUS:
        raise BundleError(
            BundleFault.CONTENT,
            Sentence(f"这是 {manifest.kind.value} 数据包", f"this is a {manifest.kind.value} bundle"),
        )
