"""What each kind of bundle holds, how a delta changes it, and what becomes of it in the snapshot of lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import BinaryIO, ClassVar

from agent.bundles import bitmap, calendars, people, priced, signer_list, trust_list
from agent.bundles.data import Data
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Kind, Manifest
from agent.bundles.people import CardRegister, Registers, RosterTable
from agent.bundles.roles import MAX_KEYS, MAX_PEM_BYTES, Rings, rings_of
from agent.bundles.signer_list import MAX_SIGNERS_BYTES
from agent.bundles.table import Sink, Table
from agent.bundles.table import apply as apply_to_table
from agent.bundles.trust_list import MAX_TRUST_BYTES, Unseal
from agent.credentials.hcert_keys import SignerList
from agent.credentials.lists import Lists, LostEmergencyList, LostRegister
from agent.credentials.register import Register
from agent.credentials.status import EmergencyList, StatusList
from agent.credentials.trust import Term, TrustList
from agent.sync.contract.errors import ContractError
from agent.sync.contract.wire import Message
from agent.yaml_file import MAX_SIZE_BYTES as MAX_CONFIGURATION_BYTES
from profiles.published import Prices, Tariff
from profiles.reasons import Sentence
from profiles.school_calendar import SchoolCalendar

MAX_KEYS_BYTES = MAX_KEYS * (MAX_PEM_BYTES + 32)
_CHECKS: Mapping[Kind, Callable[[Table], None]] = {
    Kind.EMERGENCY: people.check_emergency,
    Kind.REGISTER: people.check_register,
    Kind.ROSTER: people.check_roster,
    Kind.CALENDAR: calendars.check_calendar,
}


@dataclass(frozen=True)
class Configuration:
    """A terminal's configuration as the platform gives it; what it says is judged when it is tried."""

    version: int
    text: str = field(repr=False)


class Lease(Message):
    """The content of a lease: nothing but that it is one. Its term is the manifest's."""

    MAX_BYTES: ClassVar[int] = 16


Content = Rings | TrustList | StatusList | SignerList | Prices | Tariff | Configuration | Lease | Table
"""What an installed bundle is in memory: of each kind in this order, ``Table`` of all others."""


@dataclass(frozen=True)
class Opener:
    """This terminal's side of a seal: the ``kid`` of its sealing key, and the way to open what is sealed for it."""

    recipient: bytes
    unseal: Unseal


def open_content(manifest: Manifest, data: Data, opener: Opener) -> Content:
    """Content whose digest is as signed, ready for use. Raises :class:`BundleError`."""
    match manifest.kind:
        case Kind.KEYS:
            return rings_of(_small(data, MAX_KEYS_BYTES))
        case Kind.TRUST:
            return trust_list.in_force(_small(data, MAX_TRUST_BYTES), manifest, opener.recipient, opener.unseal)
        case Kind.STATUS:
            bitmap.check(len(data))
            return StatusList(data, 8 * len(data), manifest.term, manifest.bundle_version)
        case Kind.EMERGENCY | Kind.REGISTER | Kind.ROSTER | Kind.CALENDAR:
            return Table.open(data)
        case Kind.HCERT:
            return signer_list.in_force(_small(data, MAX_SIGNERS_BYTES), manifest)
        case Kind.PRICES:
            content = _small(data, priced.MAX_PRICES_BYTES)
            return priced.prices_in_force(content, priced.own_name(manifest), manifest.bundle_version)
        case Kind.TARIFF:
            content = _small(data, priced.MAX_TARIFF_BYTES)
            return priced.tariff_in_force(content, priced.own_name(manifest), manifest.bundle_version)
        case Kind.LEASE:
            try:
                return Lease.decode(_small(data, Lease.MAX_BYTES))
            except ContractError as error:
                raise BundleError(BundleFault.CONTENT, error) from error
        case Kind.CONFIGURATION:
            try:
                return Configuration(manifest.bundle_version, _small(data, MAX_CONFIGURATION_BYTES).decode())
            except UnicodeDecodeError as error:
                raise BundleError(BundleFault.CONTENT, Sentence("不是 UTF-8 文本", "is not UTF-8 text")) from error


def check_content(manifest: Manifest, content: Content) -> None:
    """What is held once, when it is installed, because it takes a look at every row. Raises :class:`BundleError`."""
    if isinstance(content, Table):
        _CHECKS[manifest.kind](content)


def apply_delta(manifest: Manifest, base: Data, body: BinaryIO, out: Sink) -> None:
    """Write the content that a delta leads to. Raises :class:`BundleError`."""
    match manifest.kind:
        case Kind.KEYS:
            raise BundleError(BundleFault.CONTENT, Sentence("密钥包只能是完整包", "a keys bundle is always a full one"))
        case Kind.TRUST:
            out.write(trust_list.apply(_small(base, MAX_TRUST_BYTES), body.read(MAX_TRUST_BYTES + 1)))
        case Kind.STATUS:
            out.write(bitmap.apply(base[:], body))
        case Kind.EMERGENCY | Kind.REGISTER | Kind.ROSTER | Kind.CALENDAR:
            table = Table.open(base)
            apply_to_table(table, body, table.shape.count_in(manifest.content_bytes), out)
        case Kind.HCERT:
            out.write(signer_list.apply(_small(base, MAX_SIGNERS_BYTES), body.read(MAX_SIGNERS_BYTES + 1)))
        case Kind.PRICES | Kind.TARIFF | Kind.CONFIGURATION | Kind.LEASE:
            raise priced.always_full()


def snapshot(contents: Mapping[str, tuple[Manifest, Content]], lost: Iterable[str] = ()) -> Lists:
    """All lists that are in force, as one; ``lost`` are the names of installed ones that cannot be read any more.

    A trust list or a deny list that is lost is simply not there, and its codes are refused. The lists that only deny
    would deny nobody by their absence, so that something stands for them which says that nobody knows.
    """
    trust: TrustList | None = None
    status: dict[int, StatusList] = {}
    emergency: EmergencyList | LostEmergencyList = EmergencyList()
    registers: list[Table] = []
    rosters: dict[str, RosterTable] = {}
    signers: SignerList | None = None
    prices: dict[str, tuple[Term, Prices]] = {}
    tariffs: dict[str, tuple[Term, Tariff]] = {}
    school_calendars: dict[str, SchoolCalendar] = {}
    lease: Term | None = None
    for name, (manifest, content) in sorted(contents.items()):
        match manifest.kind, content:
            case Kind.TRUST, TrustList():
                trust = content
            case Kind.STATUS, StatusList():
                status[manifest.issuer] = content
            case Kind.EMERGENCY, Table():
                emergency = EmergencyList(content)
            case Kind.REGISTER, Table():
                registers.append(content)
            case Kind.ROSTER, Table():
                rosters[name] = RosterTable(content)
            case Kind.HCERT, SignerList():
                signers = content
            case Kind.PRICES, Prices():
                prices[content.name] = manifest.term, content
            case Kind.TARIFF, Tariff():
                tariffs[content.name] = manifest.term, content
            case Kind.LEASE, Lease():
                lease = manifest.term
            case Kind.CALENDAR, Table():
                school_calendars[name.removeprefix(f"{Kind.CALENDAR.value}-")] = calendars.calendar_of(content)
    names_of = trust.names_of if trust is not None else _no_names
    tables: list[Register] = [CardRegister(table, names_of) for table in registers]
    lost_names = set(lost)
    if Kind.EMERGENCY.value in lost_names:
        emergency = LostEmergencyList()
    if any(name.startswith(f"{Kind.REGISTER.value}-") for name in lost_names):
        tables = [*tables, LostRegister()]
    return Lists(
        trust=trust,
        status=MappingProxyType(status),
        emergency=emergency,
        register=Registers(tables),
        rosters=MappingProxyType(rosters),
        signers=signers,
        price_lists=MappingProxyType(prices),
        tariffs=MappingProxyType(tariffs),
        calendars=MappingProxyType(school_calendars),
        lease=lease,
        lease_lost=Kind.LEASE.value in lost_names,
    )


def _no_names(bits: int) -> frozenset[str]:
    """Without a trust list no bit has a name."""
    del bits
    return frozenset()


def _small(data: Data, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise BundleError(
            BundleFault.CONTENT,
            Sentence(f"{len(data)} 字节，最多 {max_bytes} 字节", f"{len(data)} bytes, at most {max_bytes} are allowed"),
        )
    return data[:]
