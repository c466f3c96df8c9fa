"""Reads what devices have carried (proc(5), /proc/PID/net/dev): fifty microseconds, no netlink message."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

_TABLE = Path("/proc/thread-self/net/dev")  # this thread's network namespace
_RECEIVED, _SENT = 0, 8


def carried(devices: Collection[str]) -> int:
    """Bytes received and sent by `devices` together since each came up; an absent one counts for nothing."""
    total = 0
    for row in _TABLE.read_text().splitlines()[2:]:
        name, _, figures = row.partition(":")
        if name.strip() in devices:
            columns = figures.split()
            total += int(columns[_RECEIVED]) + int(columns[_SENT])
    return total
