"""The journal: is the file sound, is the chain whole, and in how many hours money stops."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext

from agent.buffer import LEAST_S, LOW_HOURS
from agent.checkpoints import proof
from agent.composition import MIB
from agent.cose import VerifyKey
from agent.keys import FileKeyStore, KeyStoreError
from agent.words import say
from offline_store.checkpoint import Proof
from offline_store.database import DATABASE_NAME
from offline_store.errors import Damaged, RecordInvalid, StoreError
from offline_store.integrity import look
from offline_store.outbox import Outbox, Position
from offline_store.record import Record
from offline_store.reserve import room_bytes
from offline_store.verify import Break, Fault, Told, unheard
from profiles.reasons import Sentence, counted
from tools.cli import fields
from tools.cli.codes import fault_words
from tools.cli.progress import bar
from tools.doctor.finding import Finding, fail, ok, unknown, warn
from tools.doctor.patient import Patient

_BUDGET_S = 1.5
_WHOLE_CHAIN_RECORDS = 20_000
_RATE_RECORDS = 2_000
_RATE_BYTES = 4 * MIB
_FULL_SHARE = 0.9
_LEAST_SHARE = 0.01
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_URGENT_HOURS = 12
_SALVAGE = Sentence(
    "启动终端：它会保留损坏的文件，把完好的记录转入新日志；请尽快更换存储",
    "start the agent: it keeps the damaged file and goes on in a new one; replace the storage soon",
)
_READABLE = Sentence("先处理磁盘和权限各行", "first mend what the lines about disk and permissions say")
_UPGRADE = Sentence("装回较新的软件版本", "install the newer software again")
_DRAIN = Sentence(
    "恢复到平台的网络，或用 U 盘导出：onecard journal export",
    "restore the network, or onecard journal export to a stick",
)


def database(patient: Patient) -> Iterator[Finding]:
    """The file as SQLite sees it."""
    if not (patient.state_dir / DATABASE_NAME).is_file():
        yield unknown("database", "还没有日志：终端没有运行过", "there is no journal yet: the terminal never ran")
        return
    try:
        with _shown(patient, say("正在检查数据库", "checking the database")):
            found = look(patient.state_dir, _BUDGET_S if not patient.deep else float("inf"))
    except StoreError as error:
        damaged = isinstance(error, Damaged)
        remedy = _SALVAGE if damaged else _READABLE
        yield fail("database", "damaged" if damaged else "unreadable", Sentence(error.zh, error.en), remedy)
        return
    if found.schema > found.newest_schema:
        said = Sentence(
            f"日志结构是第 {found.schema} 版，本软件只认识到第 {found.newest_schema} 版",
            f"the journal has schema {found.schema}, this software knows up to {found.newest_schema}",
        )
        yield fail("database", "newer-schema", said, _UPGRADE)
    elif found.faults:
        said = Sentence(
            f"数据库文件已损坏（{len(found.faults)} 处）", f"the database file is damaged ({found.faults[0][:80]})"
        )
        yield fail("database", "damaged", said, _SALVAGE)
    elif not found.finished:
        yield ok(
            "database",
            "已查部分没有损坏；全部检查用 --deep",
            "no damage in the part that there was time for; --deep checks all",
        )
    else:
        yield ok("database", "数据库文件完好", "the database file is sound")


class _Enough(Exception):
    """The time for walking is up."""


def chain(patient: Patient) -> Iterator[Finding]:
    """The hash chain and the terminal's signatures: all of it where it is short, else what the platform lacks."""
    if not (patient.state_dir / DATABASE_NAME).is_file():
        return
    try:
        with closing(Outbox.open(patient.state_dir)) as outbox:
            yield _walk(outbox, patient)
    except StoreError:
        yield unknown("chain", "数据库无法读取，链没有校验", "the database cannot be read, so the chain was not walked")


def _shown(patient: Patient, doing: str) -> AbstractContextManager[Told]:
    """What takes as long as it takes shows how far it is."""
    return bar(doing) if patient.deep else nullcontext(unheard)


def _walk(outbox: Outbox, patient: Patient) -> Finding:
    position = outbox.position()
    held = position.head_seq - position.first_retained + 1
    if patient.deep or held <= _WHOLE_CHAIN_RECORDS:
        with _shown(patient, say("正在校验链", "verifying the chain")) as told:
            verdict = outbox.verify(_own_proof(patient), told)
        if verdict.broken is not None:
            return _broken(verdict.broken)
        return ok(
            "chain",
            f"链完整：{verdict.checked} 条记录，{verdict.signed} 个签名的检查点",
            f"whole: {counted(verdict.checked, 'record')}, {counted(verdict.signed, 'signed checkpoint')}",
        )
    until_s = time.monotonic() + _BUDGET_S

    def pause() -> None:
        if time.monotonic() > until_s:
            raise _Enough

    try:
        broken = outbox.inspect(pause)
    except _Enough:
        broken = None
    if broken is not None:
        return _broken(broken)
    return ok(
        "chain",
        "平台尚无的记录中没有断裂；全部校验用 --deep",
        "nothing is broken in what the platform lacks, as far as there was time; --deep walks all",
    )


def _broken(broken: Break) -> Finding:
    zh, en = fault_words(broken.fault)
    said = Sentence(f"第 {broken.seq} 条记录{zh}", f"record {broken.seq} is {en}")
    remedy = _UPGRADE if broken.fault is Fault.UNKNOWN_SUITE else _SALVAGE
    return fail("chain", broken.fault.value, said, remedy)


def _own_proof(patient: Patient) -> Proof | None:
    try:
        key = VerifyKey.of(FileKeyStore(patient.keys_dir).checkpoint_public())
    except KeyStoreError:
        return None  # the keys' own check says what is wrong with them
    return proof({key.kid: key})


def buffer(patient: Patient) -> Iterator[Finding]:
    """Hours left until money stops, how full, and what waits for the platform."""
    if not (patient.state_dir / DATABASE_NAME).is_file():
        return
    size_bytes = (patient.state_dir / DATABASE_NAME).stat().st_size
    limit_bytes = patient.config.journal.size_limit_mb * MIB
    room = room_bytes(patient.state_dir, limit_bytes, patient.config.journal.reserve_mb * MIB)
    try:
        with closing(Outbox.open(patient.state_dir)) as outbox:
            position = outbox.position()
            hours = _hours_left(outbox, position, size_bytes, room)
            waiting_ms = _waits_since_ms(outbox, position)
    except (StoreError, RecordInvalid):
        return  # the check of the file says what is wrong with it
    if patient.standing is not None and patient.standing.buffer.hours_left is not None:
        hours = patient.standing.buffer.hours_left
    yield _room(size_bytes, limit_bytes, hours)
    if patient.has_platform and waiting_ms is not None:
        yield _waiting(position, patient.moment().now_ms - waiting_ms)


def _room(size_bytes: int, limit_bytes: int, hours: int | None) -> Finding:
    share = size_bytes / limit_bytes
    left = Sentence("未知", "not known") if hours is None else fields.hours_left(hours)
    size, part = fields.size(size_bytes), f"{share:.0%}" if share >= _LEAST_SHARE else f"<{_LEAST_SHARE:.0%}"
    said = Sentence(
        f"日志 {size}，占上限的 {part}；按目前速度，距停止收款：{left.zh}",
        f"the journal is {size}, {part} of its limit; until money stops at today's rate: {left.en}",
    )
    if share >= _FULL_SHARE or (hours is not None and hours < _URGENT_HOURS):
        return fail("buffer", "nearly-full", said, _DRAIN)
    if hours is not None and hours < LOW_HOURS:
        return warn("buffer", "filling", said, _DRAIN)
    return ok("buffer", said.zh, said.en)


def _waiting(position: Position, age_ms: int) -> Finding:
    count = position.head_seq - position.acked_seq
    wait = "waits" if count == 1 else "wait"
    said = Sentence(
        f"{count} 条记录待平台确认，最早的已等 {age_ms // _HOUR_MS} 小时",
        f"{counted(count, 'record')} {wait} for the platform, the oldest for {age_ms // _HOUR_MS} h",
    )
    if age_ms > _DAY_MS:
        return warn("buffer.waiting", "not-draining", said, _DRAIN)
    return ok("buffer.waiting", said.zh, said.en)


def _hours_left(outbox: Outbox, position: Position, size_bytes: int, room: int) -> int | None:
    """By the rate of the newest records; ``None`` where they span too little time."""
    held = position.head_seq - position.first_retained + 1
    after_seq = max(position.first_retained - 1, position.head_seq - _RATE_RECORDS)
    bodies = outbox.batch(after_seq, _RATE_RECORDS, _RATE_BYTES)
    if len(bodies) < 2:
        return None
    first_ms, last_ms = (Record.from_bytes(body).entry.time_ms for body in (bodies[0], bodies[-1]))
    if last_ms - first_ms < LEAST_S * 1000:
        return None
    bytes_an_hour = len(bodies) * (size_bytes / held) * _HOUR_MS / (last_ms - first_ms)
    return int(room / bytes_an_hour)


def _waits_since_ms(outbox: Outbox, position: Position) -> int | None:
    """When the oldest record was made that the platform lacks."""
    bodies = outbox.batch(position.acked_seq, 1, 1) if position.acked_seq < position.head_seq else []
    return Record.from_bytes(bodies[0]).entry.time_ms if bodies else None
