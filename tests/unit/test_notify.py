"""What the service manager hears."""

import os
import socket
from pathlib import Path

import pytest

from edge.notify import notify, reloading, watchdog_interval_s


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.settimeout(2)
    return sock


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_manager_hears_ready(manager: socket.socket, environment: pytest.MonkeyPatch) -> None:
    """systemd would kill a daemon of Type=notify that never says READY."""
    environment.setenv("NOTIFY_SOCKET", manager.getsockname())
    notify("READY=1", "STATUS=Running")
    assert manager.recv(100) == b"READY=1\nSTATUS=Running"
    reloading()
    assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_a_manager_that_is_gone_is_no_failure(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    """A restart of the manager must not take the village offline."""
    environment.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("WATCHDOG=1")


@pytest.mark.parametrize(
    ("usec", "pid", "wanted"),
    [
        ("", "", None),
        ("30000000", "", 15.0),
        ("30000000", "self", 15.0),
        ("30000000", "other", None),
        ("soon", "", None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(
    environment: pytest.MonkeyPatch, usec: str, pid: str, wanted: float | None
) -> None:
    """Feeding too late restarts a healthy daemon."""
    environment.setenv("WATCHDOG_USEC", usec)
    pids = {"self": str(os.getpid()), "other": str(os.getpid() + 1)}
    environment.setenv("WATCHDOG_PID", pids.get(pid, pid))
    assert watchdog_interval_s() == wanted
