"""Figures of the box itself, read when somebody asks: processor, memory, disk and uptime."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class HostFigures:
    """The box at one moment; sizes in bytes, `cpu_percent` of all cores since the figures were last read.

    `disk_total_bytes` and `disk_free_bytes` are None when the state directory cannot be read.
    """

    cpu_percent: float
    memory_total_bytes: int
    memory_available_bytes: int
    disk_total_bytes: int | None
    disk_free_bytes: int | None
    uptime_s: float


class Host:
    """Reads the box; `state_dir` names the file system whose room matters. Takes well under a millisecond."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._busy, self._total = _processor_seconds()

    def figures(self) -> HostFigures:
        """The figures now."""
        memory = psutil.virtual_memory()
        total, free = self._disk()
        return HostFigures(
            cpu_percent=self._cpu_percent(),
            memory_total_bytes=int(memory.total),
            memory_available_bytes=int(memory.available),
            disk_total_bytes=total,
            disk_free_bytes=free,
            uptime_s=time.clock_gettime(time.CLOCK_BOOTTIME),
        )

    def _cpu_percent(self) -> float:
        busy, total = _processor_seconds()
        passed, worked = total - self._total, busy - self._busy
        self._busy, self._total = busy, total
        return min(100.0, max(0.0, 100 * worked / passed)) if passed > 0 else 0.0

    def _disk(self) -> tuple[int | None, int | None]:
        try:
            usage = psutil.disk_usage(self._state_dir)
        except OSError:
            return None, None
        return int(usage.total), int(usage.free)


def _processor_seconds() -> tuple[float, float]:
    """Seconds of all cores together: busy, and in all. Guest time is part of user time already (proc(5))."""
    times = psutil.cpu_times()
    total = float(times.user + times.nice + times.system + times.idle + times.iowait + times.irq + times.softirq)
    total += float(times.steal)
    return total - float(times.idle + times.iowait), total
