"""A PostgreSQL of its own: Debian's server in a scratch directory, on a Unix socket alone, as safe as by default.

`fsync`, `synchronous_commit` and full-page writes stay on: what is measured and tested is what an operator runs.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from drivers.virtual.child import bound_to_parent
from tools.cli.words import say
from tools.platform.errors import PlatformError
from tools.scratch import scratch

_SUPERUSER = "postgres"
_INSTALLED = Path("/usr/lib/postgresql")
_START_S = 30.0
_STOP_S = 10.0
_POLL_S = 0.05


@contextmanager
def running_postgres(disk: Path | None = None) -> Iterator[str]:
    """Start a server and give its SQLAlchemy URL; `disk` is where its files go. Raises `PlatformError`."""
    programs = _programs()
    with scratch("postgres", disk) as directory:
        user = _unprivileged(directory)
        _make(programs, directory, user)
        command = bound_to_parent(
            *(str(programs / "postgres"), "-D", str(directory / "data"), "-k", str(directory)),
            *("-c", "listen_addresses=", "-c", "log_min_messages=fatal"),
        )
        quiet = subprocess.DEVNULL
        server = subprocess.Popen(
            command, user=user, stdin=quiet, stdout=quiet, stderr=quiet, cwd=directory, start_new_session=True
        )
        try:
            _await(programs, directory, server)
            yield f"postgresql+psycopg://{_SUPERUSER}@/{_SUPERUSER}?host={directory}"
        finally:
            server.terminate()  # a smart shutdown would wait for clients, and these are ours
            try:
                server.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def new_database(url: str, name: str) -> str:
    """Make an empty database on the server of `url`; its URL."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _programs() -> Path:
    """The newest of Debian's servers that are installed."""
    found = sorted(_INSTALLED.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise PlatformError(
            say(
                "没有找到 PostgreSQL：请先安装（apt install postgresql）。",
                "PostgreSQL was not found: install it (apt install postgresql).",
            )
        )
    return found[-1].parent


def _unprivileged(directory: Path) -> int:
    """PostgreSQL refuses to run as root: then it runs as Debian's own user, who gets the directory."""
    if os.geteuid() != 0:
        return os.geteuid()
    user = pwd.getpwnam(_SUPERUSER)
    shutil.chown(directory, user.pw_uid, user.pw_gid)
    return user.pw_uid


def _make(programs: Path, directory: Path, user: int) -> None:
    """In UTF-8 whatever locale this runs in: by `C` alone it would be SQL_ASCII, of which psycopg returns bytes."""
    command = [str(programs / "initdb"), "--pgdata", str(directory / "data"), "--username", _SUPERUSER]
    command += ["--encoding", "UTF8", "--locale", "C"]
    made = subprocess.run(
        [*command, "--auth", "trust"], user=user, cwd=directory, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise PlatformError(say(f"无法建立数据库：{made.stderr}", f"The database cannot be made: {made.stderr}"))


def _await(programs: Path, directory: Path, server: subprocess.Popen[bytes]) -> None:
    ready = [str(programs / "pg_isready"), "--quiet", "--host", str(directory)]
    deadline_s = time.monotonic() + _START_S
    while subprocess.run(ready, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline_s:
            raise PlatformError(say("PostgreSQL 没有启动。", "PostgreSQL did not start."))
        time.sleep(_POLL_S)
