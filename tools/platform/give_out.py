"""The next version of a bundle, signed by the platform's own bundle key, for all terminals; as a delta too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.bundles.data import FileData
from agent.bundles.errors import BundleError
from agent.bundles.manifest import Kind
from agent.bundles.table import Table
from agent.keys import Role
from tools import bundles
from tools.big_bundles import unpack, write_bundle, write_changes
from tools.platform.bundle_store import BundleStore, Latest, Published
from tools.platform.ca import Authority
from tools.platform.service import Layout

DAY_MS = 86_400_000
ALL = "all"
_FIRST_DAYS = 30


@contextmanager
def publishing(layout: Layout) -> Iterator[None]:
    """Nobody else computes and gives out meanwhile: what is given out last is what the database said last."""
    with BundleStore(layout.bundles).alone():
        yield


def give_out(
    layout: Layout,
    kind: Kind,
    name: str,
    content: bytes,
    now_ms: int,
    days: int | None = None,
    grace_days: int | None = None,
) -> int:
    """Its version number. Raises `PlatformError`. Without a term it has that of the version before."""
    given = BundleStore(layout.bundles)
    before = next((each for each in given.latest() if each.name == name and each.audience == ALL), None)
    version = 1 if before is None else before.version + 1
    lasts_ms, grace_ms = _term_of(before)
    lasts_ms = lasts_ms if days is None else days * DAY_MS
    grace_ms = grace_ms if grace_days is None else grace_days * DAY_MS
    issue = bundles.Issue(kind, name, version, now_ms, now_ms + lasts_ms, grace_ms, ALL)
    signer = bundles.signer_of(Authority.at(layout.keys).role_keys[Role.BUNDLE][0])
    full = bundles.full_bundle(issue, content, signer)
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "full"
        path.write_bytes(full)
        old, new = _full_of(before), bundles.read_full(path)
        given.add(path)
        if old is not None:
            try:
                delta = bundles.delta_bundle(old, new, signer)
            except BundleError:  # of other rows: terminals take the full one
                return version
            path.write_bytes(delta)
            given.add(path)
    return version


def give_out_table(
    layout: Layout, kind: Kind, name: str, content: Path, now_ms: int, days: int, grace_days: int
) -> int:
    """The same of a table in a file, which may be larger than memory; what is made lies beside it meanwhile."""
    given = BundleStore(layout.bundles)
    before = next((each for each in given.latest() if each.name == name and each.audience == ALL), None)
    version = 1 if before is None else before.version + 1
    issue = bundles.Issue(kind, name, version, now_ms, now_ms + days * DAY_MS, grace_days * DAY_MS, ALL)
    signer = bundles.signer_of(Authority.at(layout.keys).role_keys[Role.BUNDLE][0])
    made, changes, old = (content.with_name(name) for name in ("made", "changes", "old"))
    base = None if (form := _full_form(before)) is None else unpack(form.path, old)
    write_bundle(made, issue, content, content, None, signer)
    given.add(made)
    if base is not None:
        try:
            write_changes(changes, Table.open(FileData(old)), Table.open(FileData(content)))
        except BundleError:  # of other rows: terminals take the full one
            return version
        write_bundle(made, issue, content, changes, base, signer)
        given.add(made)
    return version


def _term_of(before: Latest | None) -> tuple[int, int]:
    """How long it holds, and is in grace after that, in milliseconds."""
    if before is None:
        return _FIRST_DAYS * DAY_MS, _FIRST_DAYS * DAY_MS
    term = before.forms[0].manifest.term
    return term.expires_ms - term.issued_ms, term.grace_ms


def _full_form(latest: Latest | None) -> Published | None:
    forms = () if latest is None else latest.forms
    return next((form for form in forms if form.manifest.previous_version is None), None)


def _full_of(latest: Latest | None) -> bundles.Full | None:
    full = _full_form(latest)
    return None if full is None else bundles.read_full(full.path)
