"""``onecard trust`` and ``onecard status-list``: from keys on a desk to a list in force on a terminal."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.bundles.check import Place
from agent.bundles.service import BundlePorts, Bundles
from agent.clock import RecordIds, SystemClock, SystemRandom
from agent.credentials.lists import CurrentLists
from agent.keys import FileKeyStore
from offline_store.journal import Journal
from offline_store.writer import Writer
from tests.tools.cli.in_process import Done, onecard

AT = "2026-11-20T12:00:00+08:00"


@dataclass
class Desk:
    """A folder with a platform's keys, and a terminal's state beside it."""

    home: Path

    @property
    def state_dir(self) -> Path:
        return self.home / "state"

    async def onecard(self, *arguments: str, stdin: str = "", lang: str = "en") -> Done:
        """Beside whatever runs on this loop, as another process would be; its words are chosen when it is imported."""
        if lang != "en":
            return await self._elsewhere(*arguments, lang=lang)
        environment = {"XDG_STATE_HOME": str(self.home), "ONECARD_LANG": "en"}
        return await asyncio.to_thread(onecard, self.home, *arguments, stdin=stdin, environment=environment)

    async def _elsewhere(self, *arguments: str, lang: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "agent", *arguments),
            cwd=self.home,
            env=os.environ | {"XDG_STATE_HOME": str(self.home), "ONECARD_LANG": lang},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), timeout=60)
        assert b"Traceback" not in err, err
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def good(self, *arguments: str, stdin: str = "") -> Done:
        done = await self.onecard(*arguments, stdin=stdin)
        assert done.exit_code == 0, done
        return done

    async def status(self, version: int, revoked: str, *more: str) -> str:
        file = f"status-{version}.bundle"
        await self.good(
            *("status-list", "build", "--issuer", "7", "--entries", "1000", "--revoked", "-", "--version"),
            *(str(version), "--key", "bundle.pem", "-o", file, *more),
            stdin=revoked,
        )
        return file


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: a platform's keys, and a terminal that trusts them."""
    desk = Desk(tmp_path_factory.mktemp("keys"))

    async def make() -> None:
        desk.state_dir.mkdir()
        for role in ("root", "bundle"):
            await desk.good("trust", "keygen", f"{role}.pem")
            await desk.good("trust", "anchor", role, f"{role}.pem.pub", "--state-dir", "state")

    asyncio.run(make())
    return desk.home


@pytest.fixture
def desk(keys: Path, tmp_path: Path) -> Desk:
    return Desk(Path(shutil.copytree(keys, tmp_path / "desk")))


@asynccontextmanager
async def terminal(desk: Desk) -> AsyncIterator[Bundles]:
    """The terminal's own service on its own store, running."""
    clock, random = SystemClock(), SystemRandom()
    writer = Writer(Journal.open(desk.state_dir, b"b" * 16, clock=clock, random=random))

    async def recover() -> None:
        await asyncio.wrap_future(writer.reload(clock.now_ms()))

    ports = BundlePorts(
        writer=writer,
        keys=FileKeyStore(desk.state_dir / "keys"),
        clock=clock,
        ids=RecordIds(clock, random),
        recover=recover,
        aged=lambda _: None,
        signed_at=lambda _: None,
        damaged=lambda _: None,
        recorded=lambda _: None,
    )
    bundles = Bundles(desk.state_dir, Place("gate-7"), ports, CurrentLists())
    bundles.load()
    task = asyncio.create_task(bundles.run())
    try:
        with capture_logs():  # its log is another process's, and not what a command says
            yield bundles
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        writer.close(10)


async def test_a_list_goes_from_the_desk_into_force_and_back_into_the_answer(desk: Desk) -> None:
    first, second = await desk.status(1, "3\n999\n"), await desk.status(2, "3\n4\n")
    await desk.good("status-list", "delta", first, second, "--key", "bundle.pem", "-o", "delta.bundle")
    assert (await desk.good("status-list", "show", second, "--json")).json["revoked"] == 2
    async with terminal(desk) as bundles:
        done = await desk.good("trust", "install", first, "--state-dir", "state")
        assert "status-1.bundle: installed" in done.out
        assert bundles.lists.current().status[7].revoked(999)
        await desk.good("trust", "install", "delta.bundle", "--state-dir", "state")
        assert [bundles.lists.current().status[7].revoked(entry) for entry in (3, 4, 999)] == [True, True, False]
        refused = await desk.onecard("trust", "install", first, "--state-dir", "state", lang="zh")
        assert refused.exit_code == 1
        assert "不能退回" in refused.out
        asked = await desk.onecard(
            "status-list", "lookup", "4", "999", "--issuer", "7", "--state-dir", "state", "--json"
        )
    assert (asked.exit_code, asked.json["4"], asked.json["999"]) == (1, "revoked", "valid")
    shown = await desk.good("trust", "show", "--state-dir", "state", "--json")
    assert (shown.json["name"], shown.json["version"], shown.json["freshness"]) == ("status-7", 2, "fresh")


async def test_a_trust_list_is_made_for_a_terminal_and_read_by_it_alone(desk: Desk) -> None:
    await desk.good("code", "keygen", "issuer.json", "--row", "row.json", "--issuer", "7")
    (desk.home / "gate.pub").write_text((await desk.good("trust", "seal-key", "--state-dir", "state")).out)
    await desk.good(
        *("trust", "build", "--row", "row.json", "--terminal-key", "gate.pub", "--key", "root.pem"),
        *("--version", "1", "--audience", "terminal:gate-7", "-o", "trust.bundle"),
    )
    async with terminal(desk) as bundles:
        await desk.good("trust", "install", ".", "--state-dir", "state")
        trust = bundles.lists.current().trust
    assert trust is not None
    assert list(trust.rows) == [(7, 1)]
    assert trust.names_of(0b11) == {"elder", "student"}
    reading_key = trust.rows[7, 1].reading_key
    assert reading_key not in (desk.home / "trust.bundle").read_bytes()


async def test_keys_rotate_by_hand(desk: Desk) -> None:
    await desk.good("trust", "keygen", "new.pem")
    await desk.good(
        *("trust", "keys", "--public", "root", "root.pem.pub", "--public", "bundle", "new.pem.pub"),
        *("--key", "root.pem", "--version", "1", "-o", "keys.bundle", "--yes"),
    )
    old = await desk.status(1, "")
    assert (await desk.good("trust", "verify", old, "--state-dir", "state")).out.endswith("verified: yes\n")
    async with terminal(desk):
        await desk.good("trust", "install", "keys.bundle", "--state-dir", "state")
    refused = await desk.onecard("trust", "verify", old, "--state-dir", "state")
    assert refused.exit_code == 1
    assert "not to be trusted" in refused.err


async def test_a_bundle_is_judged_by_the_moment_that_is_named(desk: Desk) -> None:
    file = await desk.status(1, "", "--at", AT, "--days", "7", "--grace-days", "0")
    for at, exit_code in (("2026-11-26T12:00:00+08:00", 0), ("2026-11-28T12:00:00+08:00", 1)):
        done = await desk.onecard("trust", "verify", file, "--state-dir", "state", "--at", at)
        assert done.exit_code == exit_code
    assert "has expired" in done.err


async def test_without_a_running_terminal_a_bundle_waits(desk: Desk) -> None:
    file = await desk.status(1, "5\n")
    done = await desk.good("trust", "install", file, "--state-dir", "state", "--wait-s", "0", "--json")
    assert done.json["state"] == "waiting"
    async with terminal(desk) as bundles:
        async with asyncio.timeout(20):
            while 7 not in bundles.lists.current().status:  # noqa: ASYNC110 -- a swap sets no event
                await asyncio.sleep(0.01)


async def test_what_cannot_be_done_is_one_sentence(desk: Desk) -> None:
    for name in ("noise", "two\nlines"):
        (desk.home / name).write_bytes(b"noise")
    file = await desk.status(1, "")
    for arguments, words in (
        (("trust", "show", "noise"), "no bundle file"),
        (("trust", "show", "two\nlines"), "two?lines: this is no bundle file"),
        (("status-list", "show", "noise"), "no bundle file"),
        (("status-list", "lookup", "1", "--issuer", "9", "--state-dir", "state"), "no list of issuer 9"),
        (("trust", "keygen", "root.pem"), "exists already"),
        (("trust", "anchor", "root", "noise", "--state-dir", "state"), "noise is no P-256 public key"),
        (("trust", "anchor", "bundle", "root.pem.pub", "--state-dir", "state"), "the key of the role root already"),
        (("trust", "delta", file, file, "--key", "noise", "-o", "x"), "PEM private key"),
        (("trust", "install", "state", "--state-dir", "state"), "no .bundle file"),
        (("trust", "install", file, "--state-dir", "typo"), "typo does not exist"),
        (("trust", "seal-key", "--state-dir", "typo"), "typo does not exist"),
    ):
        done = await desk.onecard(*arguments)
        assert (done.exit_code, words in done.err) == (1, True), done
    bad = await desk.onecard(
        *("status-list", "build", "--issuer", "7", "--entries", "8", "--revoked", "-", "--version", "1"),
        *("--key", "bundle.pem", "-o", "x"),
        stdin="8\n",
    )
    assert "from 0 to 7" in bad.err
    assert not (desk.home / "typo").exists()
    nobody = await desk.onecard("trust", "build", "--audience", "nobody")
    assert "'nobody' should be all, site:NAME or terminal:ID" in nobody.err


async def test_people_read_a_manifest_in_their_language(desk: Desk) -> None:
    file = await desk.status(1, "")
    shown = await desk.onecard("trust", "show", file, lang="zh")
    assert "类别：吊销名单" in shown.out
    assert "kind" not in shown.out
    wrong = await desk.onecard("trust", "delta", file, "root.pem", "--key", "bundle.pem", "-o", "x", lang="zh")
    assert wrong.exit_code == 1
    assert not re.search("[a-z]{2,} [a-z]{2,}", wrong.err), wrong.err


async def test_what_was_in_force_already_is_told_from_what_is_new(desk: Desk) -> None:
    file = await desk.status(1, "")
    async with terminal(desk):
        said = [(await desk.good("trust", "install", file, "--state-dir", "state")).out for _ in range(2)]
    assert said == [f"{file}: installed\n", f"{file}: was in force already\n"]


async def test_a_folder_of_bad_bundles_is_never_said_to_be_installed(desk: Desk) -> None:
    folder = desk.home / "stick"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number:02}.bundle").write_bytes(b"junk")
    async with terminal(desk):
        done = await desk.onecard("trust", "install", "stick", "--state-dir", "state")
    assert done.exit_code == 1
    assert len(done.out.splitlines()) == 20
    assert ": installed" not in done.out
