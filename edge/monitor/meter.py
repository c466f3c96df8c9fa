"""Bytes that passed the box's devices, by the kernel's counters (proc(5), /proc/net/dev); one read serves all uplinks.

The file is that of the reading thread's network namespace.
"""

from __future__ import annotations

from pathlib import Path

from edge.monitor.facts import LinkFacts

FRESH_S = 0.5  # a reading of this age serves the next uplink too

_FILE = Path("/proc/thread-self/net/dev")
_RECEIVED, _SENT = 0, 8  # fields after the device's name


def counters(text: str) -> dict[str, tuple[int, int]]:
    """Bytes received and sent by device."""
    found = {}
    for line in text.splitlines()[2:]:
        device, colon, rest = line.partition(":")
        fields = rest.split()
        if colon and len(fields) > _SENT:
            found[device.strip()] = (int(fields[_RECEIVED]), int(fields[_SENT]))
    return found


class Meter:
    """Reads the counters of all devices, at most twice a second."""

    def __init__(self, file: Path = _FILE) -> None:
        self._file = file
        self._read_at = float("-inf")
        self._counters: dict[str, tuple[int, int]] = {}

    def read(self, device: str, *, now: float) -> tuple[float, tuple[int, int] | None]:
        """When the counters were read (monotonic s), and the bytes `device` received and sent; None when it is absent.

        Takes some 30 us when nobody has read for half a second.
        """
        if not 0 <= now - self._read_at < FRESH_S:
            self._counters = counters(self._file.read_text())
            self._read_at = now
        return self._read_at, self._counters.get(device)


class DeviceMeter:
    """What one device carried from one reading to the next."""

    def __init__(self, device: str, meter: Meter) -> None:
        self._device = device
        self._meter = meter
        self._before: tuple[float, tuple[int, int]] | None = None

    def restart(self) -> None:
        """Begin anew: another device bears the name."""
        self._before = None

    def carried(self, *, now: float) -> LinkFacts | None:
        """What passed since the last call; None at first, without the device, or when its counters began anew."""
        at, bytes_now = self._meter.read(self._device, now=now)
        before = self._before
        self._before = None if bytes_now is None else (at, bytes_now)
        if before is None or bytes_now is None or at <= before[0]:
            return None
        received, sent = bytes_now[0] - before[1][0], bytes_now[1] - before[1][1]
        return LinkFacts(at - before[0], received, sent) if received >= 0 and sent >= 0 else None
