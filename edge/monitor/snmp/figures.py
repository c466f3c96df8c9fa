"""Pure: what is known of the devices beside the box, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["starting", "well", "silent", "secret"]


@dataclass(frozen=True, slots=True)
class Port:
    """An interface of a device. The totals count from the daemon's start and never go back.

    `up` and `speed_mbit` are None where the device does not say; the rates, in Mbit/s, are None at the first poll.
    """

    name: str
    up: bool | None
    speed_mbit: int | None
    received_bytes: int = 0
    sent_bytes: int = 0
    errors: int = 0
    received_mbit: float | None = None
    sent_mbit: float | None = None


@dataclass(frozen=True, slots=True)
class Optic:
    """An optical module: its power in dBm, its temperature in degrees Celsius. Its port has the same name, if any."""

    name: str
    receive_dbm: float | None
    transmit_dbm: float | None = None
    temperature_c: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One poll's answers, None where a device does not measure; `voltage_v` is its supply's, `cpu_percent` 0 to 100."""

    uptime_s: float | None = None
    cpu_percent: float | None = None
    temperature_c: float | None = None
    voltage_v: float | None = None
    dhcp_leases: int | None = None
    hotspot_users: int | None = None
    wifi_clients: int | None = None
    ports: tuple[Port, ...] = ()
    optics: tuple[Optic, ...] = ()

    @property
    def weakest(self) -> Optic | None:
        """The optical module that receives least, or None without one."""
        lit = [optic for optic in self.optics if optic.receive_dbm is not None]
        return min(lit, key=lambda optic: optic.receive_dbm or 0.0, default=None)


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """A device as it is now: `state` holds since `since` (monotonic seconds); no `reading` while it does not answer."""

    name: str
    role: str
    state: State
    since: float
    detail: str = ""
    watched: tuple[str, ...] = ()
    reading: Reading | None = None
