"""Tell the service manager how we are (sd_notify(3), the protocol of systemd's NOTIFY_SOCKET)."""

from __future__ import annotations

import os
import socket
import time


def notify(*assignments: str) -> None:
    """Send ``READY=1``, ``STATUS=…`` and the like; without a NOTIFY_SOCKET nothing is sent.

    A manager that has gone away is not our failure, so an unreachable socket is ignored.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address[0] == "@":
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(address)
            sock.sendall("\n".join(assignments).encode())
        except OSError:
            return


def reloading() -> None:
    """Say that a reload begins (systemd wants CLOCK_MONOTONIC in microseconds beside it)."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_interval_s() -> float | None:
    """Half of WATCHDOG_USEC in seconds, or None where no watchdog waits for this process."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000
