"""``onecard journal export`` and ``acknowledge``: a terminal without a network, and the stick that goes to and fro."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import click
from cryptography import x509
from cryptography.x509.oid import NameOID

from agent import cose, private_files, stick_acks
from agent.bundles.rings import rings_on_disk
from agent.composition import keys_dir
from agent.keys import FileKeyStore, KeyStoreError, Role
from agent.permits.acts import ServiceAct
from agent.stick_files import StickError, read_plain, shown
from agent.sync.contract import ContractError, JournalBatch
from agent.sync.contract.stick import (
    MAX_ACKNOWLEDGEMENT_FILE_BYTES,
    PartMaker,
    StickAcknowledgement,
    check_part,
    open_acknowledgement,
)
from agent.words import say, why_en, why_zh
from offline_store.outbox import Outbox
from tools import export as exporting
from tools.cli.bundle_files import json_option
from tools.cli.place import existing, state_dir_option
from tools.cli.progress import bar
from tools.cli.service_acts import permitted
from tools.export import Form, Span

WAIT_S = 10.0
_POLL_S = 0.1
_FILE = click.Path(path_type=Path)


@click.command(
    help=say(
        "把平台未确认的记录密封并签名后写入文件，用 U 盘带给平台；中断后再运行即接着写",
        "Write what the platform has not acknowledged into a file for a stick, signed and sealed for the platform;"
        " where it broke off, run it again to go on",
    )
)
@click.argument("file", metavar=say("文件", "FILE"), type=_FILE)
@state_dir_option
@click.option(
    "--from",
    "first",
    type=click.IntRange(1),
    help=say("从此序号开始（默认：未确认的第一条）", "From this record on (default: the first unacknowledged)"),
)
@click.option(
    "--plain",
    is_flag=True,
    help=say(
        "不密封也不签名：只用于密钥已无法读取的旧磁盘，平台也要用 --plain 接收；在终端本机上须有技术人员许可",
        "Neither sealed nor signed: for a disk whose keys cannot be read any more; the import wants --plain as well."
        " On the terminal itself it takes a technician's permit",
    ),
)
@json_option
def export(file: Path, state_dir: Path, first: int | None, plain: bool, as_json: bool) -> None:
    """Write parts, or go on behind those that are there."""
    if plain and _is_its_own_machine(existing(state_dir)):
        permitted(state_dir, ServiceAct.EXPORT)
    form = Form(JournalBatch.encode, _span_of_batch) if plain else _sealed(existing(state_dir))
    with closing(Outbox.open(state_dir)) as outbox:
        position = outbox.position()
        if first is None and position.acked_seq >= position.head_seq:
            nothing = say("平台已确认全部记录，没有写入", "the platform has every record; nothing is written")
            click.echo(json.dumps({"file": str(file), "records": 0, "added": 0}) if as_json else nothing)
            return
        with bar(say("正在导出", "exporting")) as told:
            done = exporting.export(outbox, first, file, form, told)
    count = done.last - done.first + 1
    if as_json:
        facts = {"file": str(file), "first": done.first, "last": done.last, "records": count, "added": done.added}
        click.echo(json.dumps(facts))
    else:
        name, span = shown(file), f"{done.first}–{done.last}"
        click.echo(
            say(
                f"{name}：第 {span} 条，共 {count} 条，这次写入 {done.added} 条",
                f"{name}: records {span}, {count} of them, {done.added} written now",
            )
        )


@click.command(
    help=say(
        "读取平台用 U 盘带回的回执（onecard platform import 写出），此后记录可按保留期清除",
        "Take the platform's acknowledgement from a stick (`onecard platform import` wrote it): from then on records"
        " may leave this disk after their retention",
    )
)
@click.argument("file", metavar=say("文件", "FILE"), type=_FILE)
@state_dir_option
@click.option(
    "--wait-s",
    type=click.FloatRange(0, 600),
    default=WAIT_S,
    show_default=True,
    help=say("最多等待的秒数", "Seconds to wait for the terminal"),
)
@json_option
def acknowledge(file: Path, state_dir: Path, wait_s: float, as_json: bool) -> None:
    """Judge it, hand it to the agent, and say what became of it; the agent alone writes the journal."""
    keys = FileKeyStore(keys_dir(existing(state_dir)))
    payload = read_plain(file, MAX_ACKNOWLEDGEMENT_FILE_BYTES)
    terminal, ring = terminal_of(state_dir), rings_on_disk(state_dir, keys).get(Role.ACKNOWLEDGEMENT, {})
    if not ring:
        keys.platform_keys(Role.ACKNOWLEDGEMENT)  # says which file is missing or not to be read; it is not believed
    try:
        ack = open_acknowledgement(payload, ring, terminal)
    except ContractError as error:
        raise StickError(
            file, f"不是平台给本终端的回执（{error}）", f"is no acknowledgement for this terminal ({error})"
        ) from error
    with closing(Outbox.open(state_dir)) as outbox:
        state = _judged(outbox, ack, file)
        if state is None:
            state = _handed_over(outbox, ack, payload, state_dir, wait_s)
    if as_json:
        click.echo(json.dumps({"state": state, "chain_id": ack.chain_id.hex(), "seq": ack.seq}))
        return
    words = {
        "known": (f"第 {ack.seq} 条及以前早已确认", f"up to record {ack.seq} all was acknowledged before"),
        "taken": (f"已确认到第 {ack.seq} 条", f"acknowledged up to record {ack.seq}"),
        "waiting": ("终端运行后生效", "counts once the terminal runs"),
    }
    click.echo(say(*words[state]))


def _judged(outbox: Outbox, ack: StickAcknowledgement, file: Path) -> str | None:
    """``known`` if it brings nothing new, ``None`` if it does. Raises :class:`StickError`."""
    position = outbox.position()
    if ack.chain_id != position.chain_id:
        raise StickError(
            file,
            "回执所指的链不是现在待确认的链（更早的链，或另一台设备）",
            "is about another chain than the one that waits: an earlier one, or another box's",
        )
    if ack.seq <= position.acked_seq:
        return "known"
    if outbox.hash_at(ack.seq) != ack.hash:
        raise StickError(
            file,
            f"所指的第 {ack.seq} 条记录与本机的不同，或本机没有",
            f"names a record {ack.seq} that this terminal does not have, or has otherwise",
        )
    return None


def _handed_over(outbox: Outbox, ack: StickAcknowledgement, payload: bytes, state_dir: Path, wait_s: float) -> str:
    try:
        path = stick_acks.hand_over(state_dir, payload)
    except OSError as error:
        raise StickError(state_dir, f"无法写入（{why_zh(error)}）", f"cannot be written ({why_en(error)})") from error
    deadline_s = time.monotonic() + wait_s
    while path.exists() and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    position = outbox.position()
    taken = position.chain_id != ack.chain_id or position.acked_seq >= ack.seq
    return "taken" if taken else "waiting"


def _sealed(state_dir: Path) -> Form:
    """Parts by this terminal's key, for the platform's. Raises :class:`KeyStoreError`."""
    keys = FileKeyStore(keys_dir(state_dir))
    signer, own = keys.checkpoint_signer(), cose.VerifyKey.of(keys.checkpoint_public())
    ring = rings_on_disk(state_dir, keys).get(Role.SEALING, {})
    if not ring:
        raise KeyStoreError(
            "本终端没有平台的密封公钥：请先注册终端，或用 --plain 导出",
            "the platform's sealing key is not here: enrol the terminal, or export with --plain",
        )
    terminal = terminal_of(state_dir)

    def span(payload: bytes) -> Span:
        part = check_part(payload, cose.keyring([own]), terminal)
        return Span(part.chain_id, part.first_seq, part.last_seq)

    return Form(PartMaker(terminal, signer, ring[min(ring)]).part, span)


def _is_its_own_machine(state_dir: Path) -> bool:
    """Whether the terminal's keys open here: a dead box's disk, elsewhere, can neither ask nor record."""
    try:
        FileKeyStore(keys_dir(state_dir)).checkpoint_signer()
    except KeyStoreError:
        return False
    return True


def _span_of_batch(payload: bytes) -> Span:
    batch = JournalBatch.decode(payload)
    return Span(batch.chain_id, batch.first_seq, batch.last_seq)


def terminal_of(state_dir: Path) -> str:
    """The id that the platform enrolled: the name in the terminal's certificate. Raises :class:`KeyStoreError`."""
    path = keys_dir(state_dir) / "tls.pem"
    try:
        certificate = x509.load_pem_x509_certificate(private_files.read(path))
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError as error:
        raise KeyStoreError(f"{path} 不是终端的证书", f"{path} is no certificate of a terminal") from error
    return str(name.value)
