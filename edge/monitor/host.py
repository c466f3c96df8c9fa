"""Figures of the box itself, read when somebody asks: processor, memory, disk, temperature, uptime and its own NICs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psutil

_POSSIBLE_C = (-40.0, 150.0)
_SPEED_UNKNOWN = 1_000_000  # some drivers say 2^32 - 1 Mbit/s


@dataclass(frozen=True, slots=True)
class HostFigures:
    """The box at one moment; sizes in bytes, `cpu_percent` of all cores since the figures were last read.

    `disk_total_bytes` and `disk_free_bytes` are None when the state directory cannot be read, `temperature_c` (the
    hottest sensor's) where the machine has no sensor.
    """

    cpu_percent: float
    memory_total_bytes: int
    memory_available_bytes: int
    disk_total_bytes: int | None
    disk_free_bytes: int | None
    uptime_s: float
    temperature_c: float | None = None


@dataclass(frozen=True, slots=True)
class NicFigures:
    """One of the box's network devices. `present` is False for one that is not there; then the rest is nothing.

    `up` is administrative state and carrier together; `speed_mbit` is None where the driver does not say (wireless).
    Counts are the kernel's, both ways together for errors and drops.
    """

    device: str
    present: bool
    up: bool = False
    speed_mbit: int | None = None
    received_bytes: int = 0
    sent_bytes: int = 0
    errors: int = 0
    drops: int = 0


class Host:
    """Reads the box; `state_dir` names the file system whose room matters, `devices` the NICs. Takes milliseconds."""

    def __init__(self, state_dir: str, devices: Iterable[str] = ()) -> None:
        self._state_dir = state_dir
        self._devices = tuple(dict.fromkeys(devices))
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
            temperature_c=_temperature_c(),
        )

    def nics(self) -> tuple[NicFigures, ...]:
        """The network devices now, in the order given."""
        states = psutil.net_if_stats()
        counts = psutil.net_io_counters(pernic=True, nowrap=False)
        return tuple(_nic(device, states.get(device), counts.get(device)) for device in self._devices)

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


def _nic(device: str, state: Any, counts: Any) -> NicFigures:
    """One device's figures from psutil's, which are None for a device that is not there."""
    if state is None or counts is None:
        return NicFigures(device, present=False)
    return NicFigures(
        device,
        present=True,
        up=bool(state.isup),
        speed_mbit=int(state.speed) if 0 < state.speed < _SPEED_UNKNOWN else None,
        received_bytes=int(counts.bytes_recv),
        sent_bytes=int(counts.bytes_sent),
        errors=int(counts.errin + counts.errout),
        drops=int(counts.dropin + counts.dropout),
    )


def _temperature_c() -> float | None:
    low, high = _POSSIBLE_C
    try:
        sensors = psutil.sensors_temperatures()
    except (OSError, ValueError):  # a driver that answers rubbish: the other figures stand
        return None
    found = [float(sensor.current) for group in sensors.values() for sensor in group if sensor.current]
    return max((celsius for celsius in found if low <= celsius <= high), default=None)


def _processor_seconds() -> tuple[float, float]:
    """Seconds of all cores together: busy, and in all. Guest time is part of user time already (proc(5))."""
    times = psutil.cpu_times()
    total = float(times.user + times.nice + times.system + times.idle + times.iowait + times.irq + times.softirq)
    total += float(times.steal)
    return total - float(times.idle + times.iowait), total
