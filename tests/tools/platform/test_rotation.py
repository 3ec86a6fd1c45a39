"""The platform's keys, changed one role at a time: terminals believe what it says then, and nothing of before."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent import cose
from agent.bundles.check import Place, check
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Kind
from agent.bundles.roles import MAX_KEYS, Rings, Signatory, enrolled_rings, rings_of
from agent.clock import Moment
from agent.keys import FileKeyStore, Role
from agent.sync.contract import JournalBatch
from agent.sync.contract.stick import PartMaker, check_part, open_part
from offline_store.whole_file import replace_whole
from profiles.api import ClockState
from tests.faults.privilege import refused
from tools import bundles
from tools.platform import key_files, leases, rotation
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.commands import platform
from tools.platform.give_out import give_out
from tools.platform.service import Layout
from tools.platform.stick import customs_of

SOMEBODY = 65_534
NOW_MS = 1_795_406_400_000
DAY_MS = 86_400_000
TILL = Place("till-1")


class City:
    """A platform with one terminal, which it gave a lease and a list in two versions."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory / "city")
        self.authority = Authority.init(self.layout.keys)
        self.given = BundleStore(self.layout.bundles)
        self.terminal = self.authority.provision("till-1", directory / "till-1")
        leases.grant(self.given, self.authority, "till-1", NOW_MS, 14 * DAY_MS)
        for denied in ("00" * 16, "11" * 16):
            rows = bundles.emergency_content([bytes.fromhex(denied)])
            give_out(self.layout, Kind.EMERGENCY, Kind.EMERGENCY.value, rows, NOW_MS)

    def typed(self, *arguments: str) -> Result:
        return CliRunner().invoke(platform, [*arguments, "--dir", str(self.layout.directory)])

    def envelopes(self) -> dict[str, bytes]:
        """What is given out besides the keys, by the file's name."""
        return {
            form.path.name: form.envelope
            for latest in self.given.latest()
            for form in latest.forms
            if latest.name != Kind.KEYS.value
        }

    def rings(self, before: Rings) -> Rings:
        """Whom the terminal believes once it has taken the keys bundle, which it judges by those before."""
        (latest,) = [latest for latest in self.given.latest() if latest.name == Kind.KEYS.value]
        check(latest.envelopes[0], Signatory(before), TILL, {}, moment(latest.forms[0].manifest.issued_ms))
        return rings_of(bundles.read_full(latest.forms[0].path).content)


def moment(now_ms: int = NOW_MS) -> Moment:
    return Moment(now_ms, ClockState.SYNCHRONISED, 0)


def believed(envelopes: Mapping[str, bytes], rings: Rings, now_ms: int = NOW_MS) -> dict[str, bool]:
    """Which of them are signed by whom the terminal believes; a delta that only lacks its base has passed that."""
    faults: dict[str, BundleFault | None] = dict.fromkeys(envelopes)
    for name, envelope in envelopes.items():
        try:
            check(envelope, Signatory(rings), TILL, {}, moment(now_ms))
        except BundleError as error:
            faults[name] = error.fault
    assert set(faults.values()) <= {None, BundleFault.SIGNATURE, BundleFault.WRONG_BASE}
    return {name: fault is not BundleFault.SIGNATURE for name, fault in faults.items()}


@pytest.fixture
def city(tmp_path: Path) -> City:
    return City(tmp_path)


def test_what_the_platform_gives_out_is_believed_again_and_what_the_former_key_signed_is_not(city: City) -> None:
    before, enrolled = city.envelopes(), enrolled_rings(city.terminal)
    assert len(before) == 3, "a lease, a list and the delta to it"
    assert set(believed(before, enrolled).values()) == {True}
    rotated = city.typed("rotate", "bundle", "--yes", "--json")
    assert json.loads(rotated.output) == {"role": "bundle", "keys": 1, "resigned": 3}
    rings = city.rings(enrolled)
    assert set(believed(before, rings).values()) == {False}
    after = city.envelopes()
    assert after.keys() == before.keys(), "the same versions"
    assert set(believed(after, rings).values()) == {True}
    assert bundles.read_full(city.layout.bundles / "emergency" / "2.bundle").manifest.bundle_version == 2
    leases.renew(city.given, city.authority, NOW_MS + 8 * DAY_MS)
    (renewed,) = leases.leases(city.given).values()
    assert renewed.envelopes[0] not in after.values()
    assert believed({"renewed": renewed.envelopes[0]}, rings, NOW_MS + 8 * DAY_MS) == {"renewed": True}


@pytest.mark.parametrize("role", [role.value for role in rotation.ROLES])
def test_one_role_has_another_key_for_terminals_of_before_and_of_now_and_the_others_keep_theirs(
    city: City, tmp_path: Path, role: str
) -> None:
    enrolled = enrolled_rings(city.terminal)
    assert city.typed("rotate", role, "--yes").exit_code == 0
    rings = city.rings(enrolled)
    changed = {of for of in Role if rings[of] != enrolled[of]}
    assert changed == {Role(role)}
    assert len(rings[Role(role)]) == 1
    now = enrolled_rings(city.authority.provision("till-2", tmp_path / "till-2"))
    assert {of: set(now[of]) for of in Role} == {of: set(rings[of]) for of in Role}
    assert not list(city.layout.keys.glob("next-*")) + list(city.layout.keys.glob("former-*"))


def test_what_others_were_given_in_a_keys_bundle_stays_in_the_next_one(city: City, tmp_path: Path) -> None:
    school = FileKeyStore.create(tmp_path / "school").checkpoint_public()
    also = (Role.BUNDLE, school.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    issue = bundles.Issue(Kind.KEYS, "keys", 8, NOW_MS, NOW_MS + DAY_MS, 0, "all")
    made = tmp_path / "keys-8.bundle"
    content = bundles.keys_content([*city.authority.public_keys(), also])
    made.write_bytes(bundles.full_bundle(issue, content, city.authority.signer_of(Role.ROOT)))
    city.given.add(made)
    assert json.loads(city.typed("rotate", "bundle", "--yes", "--json").output)["keys"] == 9
    before, after = (set(rings[Role.BUNDLE]) for rings in (rings_of(content), city.rings(rings_of(content))))
    assert (len(before), len(after)) == (2, 2)
    assert before & after == {cose.key_id(school)}


def test_a_stick_that_was_sealed_for_a_former_key_is_opened_also_after_the_next_change(city: City) -> None:
    signer = city.terminal.checkpoint_signer()
    batch = JournalBatch(chain_id=b"c" * 16, first_seq=1, records=(b"record",))
    parts = []
    for _ in range(3):
        public = cose.VerifyKey.of(city.authority.load_sealing_key().public_key())
        parts.append(PartMaker("till-1", signer, public).part(batch))
        assert city.typed("rotate", "sealing", "--yes").exit_code == 0
    customs = customs_of(city.authority, "till-1")
    for payload in parts:
        part = check_part(payload, customs.keys, "till-1")
        assert open_part(part, customs.private_for(part.kid)) == batch.encode()
    assert len({part.kid for part in (check_part(each, customs.keys, "till-1") for each in parts)}) == 3


@pytest.mark.parametrize(
    ("role", "written"), [("bundle", number) for number in range(8)] + [("sealing", number) for number in range(6)]
)
def test_cut_short_before_any_write_it_is_run_again_and_ends_as_it_would_have(
    city: City, monkeypatch: pytest.MonkeyPatch, role: str, written: int
) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    enrolled, left = enrolled_rings(city.terminal), [written]

    def cut(path: Path, content: bytes | BinaryIO) -> None:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        left[0] -= 1
        replace_whole(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(key_files, "replace_whole", cut)
        patched.setattr(rotation, "replace_whole", cut)
        first = city.typed("rotate", role, "--yes")
    assert (first.exit_code, "run the same again" in first.output) == (1, True), first.output
    assert city.typed("rotate", role, "--yes").exit_code == 0
    (latest,) = [latest for latest in city.given.latest() if latest.name == Kind.KEYS.value]
    assert latest.version == 1
    assert set(believed(city.envelopes(), city.rings(enrolled)).values()) == {True}
    former = {cose.key_id(key.public_key()) for key in city.authority.load_former_sealing_keys()}
    assert former == (set(enrolled[Role.SEALING]) if role == "sealing" else set())


def in_use(city: City, role: Role) -> bytes:
    return city.authority.signer_of(role).kid


def cut_at_the_end(city: City, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    """As by a power cut before the first name goes: the key is in use, and what it signed lies there."""

    def cut(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith(("next-", "former-")):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        unlink(path, missing_ok)

    unlink = Path.unlink
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", cut)
        assert city.typed("rotate", role, "--yes").exit_code == 1


@pytest.mark.parametrize("role", [role.value for role in rotation.ROLES])
def test_a_change_that_was_cut_late_is_finished_and_said_to_be_only_that_and_the_next_one_changes_the_key(
    city: City, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    before = in_use(city, Role(role))
    cut_at_the_end(city, monkeypatch, role)
    brought = in_use(city, Role(role))
    finished = city.typed("rotate", role, "--yes")
    assert (finished.exit_code, "was not changed now" in finished.output) == (0, True)
    assert "has another key" not in finished.output
    assert in_use(city, Role(role)) == brought != before
    again = city.typed("rotate", role, "--yes")
    assert (again.exit_code, "has another key" in again.output) == (0, True)
    assert in_use(city, Role(role)) not in {before, brought}
    former = {cose.key_id(key.public_key()) for key in city.authority.load_former_sealing_keys()}
    assert former == ({before, brought} if role == "sealing" else set())


def test_a_script_is_told_too_that_a_change_was_only_finished(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_at_the_end(city, monkeypatch, "bundle")
    told = json.loads(city.typed("rotate", "bundle", "--yes", "--json").output)
    assert told == {"role": "bundle", "keys": 1, "resigned": 0, "only_finished": True}


def test_what_tells_of_an_unfinished_change_is_gone_for_good_the_private_key_first(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[list[str]] = []
    keys, fsync = city.layout.keys.stat(), os.fsync

    def seen(descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), keys):
            left.append(sorted(path.name for path in city.layout.keys.glob("*-command.pem")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    assert city.typed("rotate", "command", "--yes").exit_code == 0
    assert left[-2:] == [["former-command.pem"], []]


def test_a_former_key_that_is_missing_is_asked_for_or_the_change_begins_anew(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_at_the_end(city, monkeypatch, "command")
    brought = in_use(city, Role.COMMAND)
    coming, former = (city.layout.keys / f"{which}-command.pem" for which in ("next", "former"))
    former.unlink()
    refused = city.typed("rotate", "command", "--yes")
    assert refused.exit_code == 1
    assert f"{former} is missing" in refused.output
    assert f"remove {coming} and run the same again" in refused.output
    coming.unlink()
    assert city.typed("rotate", "command", "--yes").exit_code == 0
    assert set(city.rings(enrolled_rings(city.terminal))[Role.COMMAND]) == {in_use(city, Role.COMMAND)} != {brought}


def test_a_former_key_that_is_missing_before_the_change_is_the_one_in_use(city: City) -> None:
    (city.layout.keys / "next-bundle.pem").write_bytes(Authority.init(city.layout.directory / "b").ack_key.read_bytes())
    enrolled = enrolled_rings(city.terminal)
    assert json.loads(city.typed("rotate", "bundle", "--yes", "--json").output)["resigned"] == 3
    assert set(believed(city.envelopes(), city.rings(enrolled)).values()) == {True}


@pytest.mark.parametrize("role", ["bundle", "sealing"])
def test_a_lost_key_is_replaced(city: City, role: str) -> None:
    city.authority.role_keys[Role(role)][0].unlink()
    assert city.typed("rotate", role, "--yes").exit_code == 0
    assert set(city.rings(enrolled_rings(city.terminal))[Role(role)]) == {in_use(city, Role(role))}


def test_a_disk_that_is_full_is_named_also_where_the_system_does_not(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:

    def full(**_where: Path) -> BinaryIO:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(rotation, "TemporaryFile", full)
    refused = city.typed("rotate", "bundle", "--yes")
    assert refused.exit_code == 1
    assert f"{city.layout.directory}: {os.strerror(errno.ENOSPC)}. Then run the same again" in refused.output


def test_a_disk_that_is_full_before_anything_begins_is_said_too(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    _, public = city.authority.role_keys[Role.COMMAND]
    public.unlink()

    def full(path: Path, content: bytes | BinaryIO) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(key_files, "replace_whole", full)
    refused = city.typed("rotate", "bundle", "--yes")
    assert refused.exit_code == 1
    assert f"{public}: {os.strerror(errno.ENOSPC)}" in refused.output


def test_a_keys_bundle_without_room_is_refused_before_anything_changes(city: City, tmp_path: Path) -> None:
    others = [row for row in city.authority.public_keys() if row[0] is not Role.ACKNOWLEDGEMENT]
    while len(others) < MAX_KEYS:
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        others.append((Role.BUNDLE, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)))
    issue = bundles.Issue(Kind.KEYS, "keys", 8, NOW_MS, NOW_MS + DAY_MS, 0, "all")
    made = tmp_path / "keys-8.bundle"
    made.write_bytes(bundles.full_bundle(issue, bundles.keys_content(others), city.authority.signer_of(Role.ROOT)))
    city.given.add(made)
    before = kept(city.layout.directory)
    refused = city.typed("rotate", "acknowledgement", "--yes")
    assert refused.exit_code == 1
    assert "names 32 keys, and has no room" in refused.output
    assert kept(city.layout.directory) == before
    assert json.loads(city.typed("rotate", "bundle", "--yes", "--json").output)["keys"] == 9, "one goes, one comes"


def kept(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_root_that_is_kept_elsewhere_is_asked_for_and_none_is_made(city: City, tmp_path: Path) -> None:
    root, _ = city.authority.role_keys[Role.ROOT]
    brought = root.replace(tmp_path / root.name)
    before = kept(city.layout.keys)
    refused = city.typed("rotate", "acknowledgement", "--yes")
    assert refused.exit_code == 1
    assert f"{root} is missing" in refused.output
    assert kept(city.layout.keys) == before
    assert not city.layout.bundles.joinpath("keys").exists()
    brought.replace(root)
    assert city.typed("rotate", "acknowledgement", "--yes").exit_code == 0
    assert city.rings(enrolled_rings(city.terminal))[Role.ACKNOWLEDGEMENT]


def test_another_root_than_its_public_half_is_refused_before_anything_changes(city: City, tmp_path: Path) -> None:
    root, public = city.authority.role_keys[Role.ROOT]
    root.write_bytes(Authority.init(tmp_path / "other").role_keys[Role.ROOT][0].read_bytes())
    before = kept(city.layout.keys)
    refused = city.typed("rotate", "bundle", "--yes")
    assert refused.exit_code == 1
    assert f"does not belong to {public}" in refused.output
    assert kept(city.layout.keys) == before
    assert not city.layout.bundles.joinpath("keys").exists()


def test_a_root_that_no_keys_bundle_names_is_refused_before_anything_changes(city: City, tmp_path: Path) -> None:
    assert city.typed("rotate", "bundle", "--yes").exit_code == 0
    other = Authority.init(tmp_path / "other").role_keys[Role.ROOT]
    for mine, theirs in zip(city.authority.role_keys[Role.ROOT], other, strict=True):
        mine.write_bytes(theirs.read_bytes())
    before = kept(city.layout.directory)
    refused = city.typed("rotate", "bundle", "--yes")
    assert refused.exit_code == 1
    assert "no root of the keys bundle" in refused.output
    assert kept(city.layout.directory) == before


def test_it_says_what_ends_and_asks(city: City) -> None:
    asked = CliRunner().invoke(platform, ["rotate", "technician", "--dir", str(city.layout.directory)], input="n\n")
    assert asked.exit_code == 1
    assert "technician" in asked.output
    assert not city.layout.bundles.joinpath("keys").exists()


def test_run_by_root_it_leaves_all_that_it_makes_to_whoever_runs_the_platform() -> None:
    if os.geteuid() != 0:
        refused("root works on another user's directory")
    with tempfile.TemporaryDirectory() as place:  # every directory of pytest's is root's alone
        Path(place).chmod(0o755)
        city = City(Path(place))
        home = city.layout.directory
        for path in (home, *home.rglob("*")):
            os.chown(path, SOMEBODY, SOMEBODY)
        rotated = city.typed("rotate", "bundle", "--yes")
        assert rotated.exit_code == 0, rotated.output
        assert {path.stat().st_uid for path in (home, *home.rglob("*"))} == {SOMEBODY}
        assert os.geteuid() == 0
