"""Time: monotonic seconds for decisions, wall seconds for records, and whether the wall clock can be trusted.

The box has no battery clock: after a power cut it may start years in the past and jump forward when NTP answers.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Protocol

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")  # systemd-timesyncd.service(8), emptied by a reboot


class Clock(Protocol):
    """What a shell asks for the time; tests pass one that stands still."""

    def monotonic(self) -> float:
        """Seconds that never go back; meaningless between two starts of the machine."""
        ...

    def wall(self) -> float:
        """Unix time in seconds, as far as the machine knows it."""
        ...

    def trusted(self) -> bool:
        """Whether wall time may be used for deadlines that span days."""
        ...


class SystemClock:
    """The machine's own clocks; trusted once NTP has synchronised them.

    systemd-timesyncd says so by the file `synchronised`; any other NTP client is seen by adjtimex(2), which the unit's
    ProtectClock= forbids (docs/installation.md tells how to allow it).
    """

    def __init__(self, synchronised: Path = _SYNCHRONISED) -> None:
        self._synchronised = synchronised
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timex = ctypes.create_string_buffer(256)  # struct timex with modes = 0: read only

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds of CLOCK_REALTIME."""
        return time.time()

    def trusted(self) -> bool:
        """True after timesyncd's first success since boot, or while the kernel's clock state is not TIME_ERROR."""
        if self._synchronised.exists():
            return True
        ctypes.memset(self._timex, 0, len(self._timex))
        state: int = self._libc.adjtimex(self._timex)
        return state not in (-1, _TIME_ERROR)
