"""``onecard bundles``: what a terminal holds, and how more reaches it from a stick. Beside a running agent."""

from __future__ import annotations

import json
import os
import shutil
import time
from itertools import islice
from pathlib import Path

import click

from agent.bundles.check import Place
from agent.bundles.envelope import head, unseal
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.incoming import MAX_FILES, Incoming
from agent.bundles.install import RESERVE_BYTES, envelope_of, opened
from agent.bundles.manifest import Kind, Manifest
from agent.bundles.rings import rings_on_disk
from agent.bundles.roles import Signatory
from agent.clock import SystemRandom
from agent.composition import keys_dir
from agent.keys import FileKeyStore
from agent.stick_files import shown
from agent.sync.contract.errors import ContractError
from agent.words import say, why_en, why_zh
from offline_store.bundles import InstalledBundle, installed
from profiles.reasons import Sentence
from tools import bundles as making
from tools.cli import bundle_files, fields
from tools.cli.bundle_check import judged
from tools.cli.bundle_files import json_option
from tools.cli.bundle_order import in_order
from tools.cli.place import existing, state_dir_option, state_dir_option_beside_terminal
from tools.cli.times import at_option, moment, now_ms

WAIT_S = 10.0
_POLL_S = 0.1
_PRINTED_STEM_CHARS = 40
_STICK_FILE = click.Path(path_type=Path)
"""Whether it is a file at all is found out by opening it, and told as a reason."""


@click.group(help=say("终端上的数据包：查看、检验、安装", "The bundles of a terminal: look at, verify, install"))
def bundles() -> None:
    """Hold the commands about a terminal's bundles."""


@bundles.command(name="list", help=say("已安装的、等待的和被拒的", "What is installed, what waits, what was refused"))
@state_dir_option
@at_option
@json_option
def list_bundles(state_dir: Path, at_ms: int | None, as_json: bool) -> None:
    """List them; nothing is verified here."""
    incoming = Incoming(existing(state_dir))
    held = [_standing_of(row, now_ms(at_ms)) for row in installed(state_dir)]
    waiting = [path.name for path in incoming.files()] if incoming.directory.is_dir() else []
    refused = [{"file": name, **reason} for name, reason in incoming.aside()]
    if as_json:
        click.echo(json.dumps({"installed": held, "waiting": waiting, "refused": refused}, ensure_ascii=False))
        return
    if not held:
        click.echo(say(f"{state_dir} 中没有已安装的数据包", f"no bundle is installed in {state_dir}"))
    for row in held:
        said = (fields.value("kind", row["kind"]), fields.value("freshness", row["freshness"]))
        until = fields.value("counts_until", row["counts_until"])
        ends = say(f"至 {until}（含宽限期）", f"until {until}, its grace included")
        click.echo(f"{row['name']} {row['version']}{say('：', ': ')}{say('，', ', ').join((*said, ends))}")
    for name in waiting:
        click.echo(say(f"等待终端安装：{shown(name)}", f"waits for the terminal: {shown(name)}"))
    for reason in refused:
        name, zh, en = shown(reason["file"]), reason.get("zh", "-"), reason.get("en", "-")
        click.echo(say(f"被拒：{name}（{zh}）", f"refused: {name} ({en})"))


@bundles.command(help=say("显示一个已安装的数据包", "Show an installed bundle"))
@click.argument("name", metavar=say("名称", "NAME"))
@state_dir_option
@at_option
@json_option
def show(name: str, state_dir: Path, at_ms: int | None, as_json: bool) -> None:
    """Print its manifest and how old it is."""
    row = next((row for row in installed(existing(state_dir)) if row.name == name), None)
    if row is None:
        raise click.ClickException(
            say(
                f"没有安装名为 {shown(name)} 的数据包；请看 onecard bundles list",
                f"no bundle named {shown(name)} is installed; see `onecard bundles list`",
            )
        )
    manifest = manifest_of(row)
    expiry = bundle_files.facts_of_expiry(manifest.term.expiry(now_ms(at_ms)))
    bundle_files.tell(bundle_files.facts_of(manifest) | expiry, as_json)


@click.command(
    help=say(
        "按本终端的规则检验数据包文件，只检验，不安装",
        "Judge a bundle file as this terminal would, without installing it",
    )
)
@click.argument("file", metavar=say("文件", "FILE"), type=_STICK_FILE)
@state_dir_option_beside_terminal
@click.option("--terminal", default="", help=say("终端编号", "The terminal's id"))
@click.option("--site", help=say("站点", "Its site"))
@at_option
@json_option
def verify(file: Path, state_dir: Path, terminal: str, site: str | None, at_ms: int | None, as_json: bool) -> None:
    """Make every check but those of the version floor, which are about what is installed."""
    existing(state_dir)
    try:
        manifest = judged(file, state_dir, Place(terminal, site), moment(at_ms))
    except OSError as error:
        raise click.ClickException(say(f"{shown(file)}：{why_zh(error)}", f"{shown(file)}: {why_en(error)}")) from error
    bundle_files.tell(bundle_files.facts_of(manifest) | {"verified": True}, as_json)


@click.command(
    help=say(
        "从 U 盘或文件夹给终端安装数据包，终端运行与否均可",
        "Install bundles on a terminal, running or not, from a stick or a folder",
    )
)
@click.argument("files", metavar=say("文件…", "FILE…"), type=_STICK_FILE, nargs=-1, required=True)
@state_dir_option
@click.option(
    "--wait-s",
    type=click.FloatRange(0, 600),
    default=WAIT_S,
    show_default=True,
    help=say("最多等待的秒数", "Seconds to wait for the terminal"),
)
@json_option
def install(files: tuple[Path, ...], state_dir: Path, wait_s: float, as_json: bool) -> None:
    """Drop the files where the agent looks, and say what became of them."""
    existing(state_dir)
    incoming = Incoming(state_dir)
    found = _bundles_in(files)
    refused = _refused(found, state_dir)
    held = {file for file in found if file not in refused and _is_in_force(file, state_dir)}
    dropped: list[tuple[Path, Path]] = []
    try:
        incoming.make()
        for file in in_order(found):
            if file not in refused:
                try:
                    dropped.append((file, incoming.drop(file, _unique_name(file))))
                except BundleError as error:
                    refused[file] = error
    except OSError as error:
        raise click.ClickException(
            say(f"{state_dir}：无法写入（{why_zh(error)}）", f"{state_dir}: cannot be written ({why_en(error)})")
        ) from error
    deadline_s = time.monotonic() + wait_s
    while any(path.exists() for _, path in dropped) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    dropped.sort(key=lambda each: found.index(each[0]))
    outcomes = [_reason(file, error) for file, error in refused.items()]
    outcomes += [_outcome(incoming, file, path, state_dir, held) for file, path in dropped]
    for outcome in outcomes:
        if as_json:
            bundle_files.tell(outcome, as_json)
        else:
            name = shown(str(outcome["file"]))
            click.echo(say(f"{name}：{outcome['zh']}", f"{name}: {outcome['en']}"))
    if any(outcome["state"] == "refused" for outcome in outcomes):
        raise SystemExit(1)


bundles.add_command(verify)
bundles.add_command(install)


def manifest_of(row: InstalledBundle) -> Manifest:
    """What was signed of an installed bundle. Raises :class:`BundleError`."""
    try:
        return Manifest.decode(row.manifest)
    except ContractError as error:
        raise BundleError(BundleFault.MANIFEST, error) from error


def _standing_of(row: InstalledBundle, at_ms: int) -> dict[str, object]:
    manifest = manifest_of(row)
    expiry = bundle_files.facts_of_expiry(manifest.term.expiry(at_ms))
    return {"name": row.name, "version": row.version, "kind": manifest.kind.value} | expiry


def _bundles_in(files: tuple[Path, ...]) -> list[Path]:
    """Files as they are, and of folders the bundles in them, at most as many as wait at a time."""
    found: list[Path] = []
    for file in files:
        if file.is_dir() and not file.is_symlink():
            found += sorted(islice(file.glob("*.bundle"), MAX_FILES + 1))
        else:
            found.append(file)
    if not found:
        raise click.ClickException(say("没有 .bundle 文件", "there is no .bundle file"))
    if len(found) > MAX_FILES:
        raise click.ClickException(
            say(
                f"数据包多于 {MAX_FILES} 个，请分次安装",
                f"more than {MAX_FILES} bundles; install them in parts",
            )
        )
    return found


def _refused(files: list[Path], state_dir: Path) -> dict[Path, BundleError]:
    """What is not worth copying from a stick, each with its reason; the terminal itself judges the rest.

    What none of the platform's keys signed is left on the stick, unless new keys of the platform come with it, or this
    user may read none of the terminal's.
    """
    signatory = Signatory(rings_on_disk(state_dir, FileKeyStore(keys_dir(state_dir))))
    refused: dict[Path, BundleError] = {}
    unsigned: dict[Path, BundleError] = {}
    room_bytes = shutil.disk_usage(state_dir).free - RESERVE_BYTES
    new_keys = False
    for file in files:
        try:
            envelope = envelope_of(file)
            manifest = making.manifest_of(envelope)
            room_bytes -= _size_bytes(file, envelope, manifest, room_bytes)
        except BundleError as error:
            refused[file] = error
            continue
        try:
            unseal(envelope, signatory.all_keys)
            new_keys = new_keys or manifest.kind is Kind.KEYS
        except BundleError as error:
            unsigned[file] = error
    return refused if new_keys or not signatory.all_keys else refused | unsigned


def _size_bytes(file: Path, envelope: bytes, manifest: Manifest, room_bytes: int) -> int:
    """Of a file as long as it says, for which there is room. Raises :class:`BundleError`."""
    with opened(file) as stream:
        size_bytes = os.fstat(stream.fileno()).st_size
    if size_bytes != len(head(envelope)) + manifest.body_bytes:
        raise BundleError(BundleFault.TRUNCATED)
    if size_bytes > room_bytes:
        raise BundleError(BundleFault.UNREADABLE, Sentence("终端磁盘空间不足", "the terminal's disk has no room"))
    return size_bytes


def _reason(file: Path, error: BundleError) -> dict[str, object]:
    return {"file": file.name, "state": "refused", "code": error.fault.code, "zh": error.zh, "en": error.en}


def _outcome(incoming: Incoming, file: Path, path: Path, state_dir: Path, held: set[Path]) -> dict[str, object]:
    if path.exists():
        waits = ("终端运行后安装", "waits until the terminal runs")
        return {"file": file.name, "state": "waiting", "zh": waits[0], "en": waits[1]}
    reason = incoming.reason(path)
    if reason is None and _is_in_force(file, state_dir):
        said = ("之前已安装，内容有效", "was in force already") if file in held else ("已安装", "installed")
        return {"file": file.name, "state": "installed", "zh": said[0], "en": said[1]}
    if reason is None:  # refused, and its reason gone already: only the last few are kept
        unknown = {
            "code": "unknown",
            "zh": "未安装，请逐个安装以得知原因",
            "en": "not installed; install it alone to learn why",
        }
        return {"file": file.name, "state": "refused", **unknown}
    return {"file": file.name, "state": "refused", **reason}


def _is_in_force(file: Path, state_dir: Path) -> bool:
    """Whether the terminal holds what the file leads to, or something newer of its name."""
    try:
        brought = making.manifest_of(envelope_of(file))
    except BundleError:
        return False
    held = next((manifest_of(row) for row in installed(state_dir) if row.name == brought.name), None)
    if held is None or held.bundle_version < brought.bundle_version:
        return False
    return held.bundle_version > brought.bundle_version or held.content_sha256 == brought.content_sha256


def _unique_name(file: Path) -> str:
    """In the terminal's own folder: nothing of a foreign name but letters and digits."""
    stem = "".join(each for each in file.stem if each.isascii() and (each.isalnum() or each in "-_."))
    return f"{stem[:_PRINTED_STEM_CHARS]}-{SystemRandom().token(4).hex()}"
