"""sd_notify on a real datagram socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from agent import systemd


def test_the_supervisor_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        systemd.notify("READY=1")
        assert supervisor.recv(64) == b"READY=1"


def test_an_abstract_socket_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"onecard-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        systemd.notify("WATCHDOG=1")
        assert supervisor.recv(64) == b"WATCHDOG=1"


@pytest.mark.parametrize("path", [None, "/nowhere/at/all"])
def test_a_supervisor_that_is_not_there_stops_nothing(path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if path is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", path)
    systemd.notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "interval_s"),
    [("20000000", "", 10.0), ("20000000", "1", None), ("", "", None), ("soon", "", None)],
)
def test_the_watchdog_is_fed_twice_in_its_time(
    usec: str, pid: str, interval_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    assert systemd.watchdog_interval_s() == interval_s
