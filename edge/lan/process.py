"""Finds the village's own dnsmasq, and signals it and nobody else.

A pid-file outlives a crash, and the number in it may belong to another process by then. So the process must be called
dnsmasq and have been started with our configuration (proc(5): comm, cmdline), and it is signalled through a file
descriptor that stands for exactly the process that was looked at (pidfd_open(2)). Reading tmpfs and /proc is memory
only and does not hold up the loop.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from edge.lan.dnsmasq import CONFIGURATION, PID

_STARTED = 19  # place of starttime in proc_pid_stat(5), counted after the command's name


class NotRunning(Exception):
    """No dnsmasq of ours can be signalled; the message says what was found instead."""


@dataclass(frozen=True, slots=True)
class Running:
    """One life of dnsmasq: `started` (clock ticks since boot) tells it from a later process of the same number."""

    pid: int
    started: int


def find(run_dir: Path) -> Running:
    """The dnsmasq that wrote the pid-file in `run_dir`; NotRunning with what is there instead."""
    try:
        pid = int((run_dir / PID).read_text())
    except FileNotFoundError:
        raise NotRunning("no dnsmasq runs with our configuration") from None
    except (OSError, ValueError) as error:
        raise NotRunning(f"{run_dir / PID} cannot be read: {error}") from error
    return _look(pid, run_dir)


def tell(running: Running, number: signal.Signals, run_dir: Path) -> None:
    """Send a signal to `running`; NotRunning when it is gone or may not be signalled."""
    try:
        descriptor = os.pidfd_open(running.pid)
    except OSError as error:
        raise NotRunning(f"process {running.pid} of the pid-file is gone") from error
    try:
        if _look(running.pid, run_dir) != running:
            raise NotRunning(f"process {running.pid} has ended; another has its number")
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError as error:
        raise NotRunning(f"process {running.pid} of the pid-file is gone") from error
    except PermissionError as error:
        raise NotRunning(f"dnsmasq, process {running.pid}, runs as another user than the daemon") from error
    finally:
        os.close(descriptor)


def _look(pid: int, run_dir: Path) -> Running:
    folder = Path("/proc") / str(pid)
    try:
        name = (folder / "comm").read_text().strip()
        line = (folder / "cmdline").read_bytes().split(b"\0")
        started = int((folder / "stat").read_text().rpartition(")")[2].split()[_STARTED])
    except (OSError, IndexError, ValueError):
        raise NotRunning(f"process {pid} of the pid-file is gone") from None
    if name != "dnsmasq":
        raise NotRunning(f"process {pid} of the pid-file is no dnsmasq")
    if not any(argument.endswith(os.fsencode(run_dir / CONFIGURATION)) for argument in line):
        raise NotRunning(f"dnsmasq, process {pid}, does not run with {run_dir / CONFIGURATION}")
    return Running(pid, started)
