"""What the office's page shows, as frozen values: the wiring fills them, the page only reads them.

Nothing here names a person in full: a request carries the masked name alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.events import Level
from edge.health import Raised
from edge.monitor.snmp.figures import DeviceFigures, State
from edge.sms.standing import Standing


@dataclass(frozen=True, slots=True)
class UplinkView:
    """One uplink: its verdict and cause, loss as a share 0..1, median round trip, seconds since the verdict began."""

    name: str
    level: Level
    cause: str
    loss: float
    rtt_ms: float | None
    since_s: float


@dataclass(frozen=True, slots=True)
class ClassView:
    """Which uplink a traffic class uses now (None: none is left) and why."""

    name: str
    uplink: str | None
    because: str


@dataclass(frozen=True, slots=True)
class ModemView:
    """A modem: its state and network, signal 0..100 or None, what waits, what was given up and what nobody knows.

    `held` says why a modem that is ready sends nothing (credit, barred, network, modem, budget), `paused` whether
    notifications wait; `balance_rp` and `expires` (YYYY-MM-DD) are the SIM's, None where not known.
    """

    name: str
    state: str
    operator: str = ""
    technology: str = ""
    signal_percent: int | None = None
    waiting: int = 0
    uncertain: int = 0
    failed: int = 0
    held: str = ""
    paused: bool = False
    balance_rp: int | None = None
    expires: str | None = None


def modem_view(standing: Standing) -> ModemView:
    """How a modem stands as the page shows it."""
    status, figures = standing.status, standing.figures
    return ModemView(
        standing.name,
        status.state,
        status.operator,
        status.technology,
        status.signal,
        figures.pending,
        figures.uncertain,
        figures.failed,
        status.held,
        any(raised.condition.code == "sms-paused" for raised in standing.raised),
        status.balance_rp,
        status.expires,
    )


@dataclass(frozen=True, slots=True)
class QueueView:
    """What waits for the portal, the age of its oldest, what was refused for good, seconds since the last contact."""

    waiting: int
    oldest_s: float | None
    dead: int
    last_contact_s: float | None


@dataclass(frozen=True, slots=True)
class RequestView:
    """One of the latest requests; `created_at` in Unix seconds. `stuck`: something of it was refused for good."""

    ticket: str
    letter: str
    state: str
    source: str
    name_masked: str
    created_at: float
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device beside the box; None is what it does not measure or what is not known now.

    `optical_dbm` is what its weakest module receives, `ports_down` are the listed ports without a link, `users` those
    of its hotspot or, where it has none, its access points' clients.
    """

    name: str
    role: str
    state: State
    optical_dbm: float | None = None
    temperature_c: float | None = None
    users: int | None = None
    ports_down: tuple[str, ...] = ()
    uptime_s: float | None = None


def device_view(figures: DeviceFigures) -> DeviceView:
    """A device's figures as the page shows them."""
    reading = figures.reading
    if reading is None:
        return DeviceView(figures.name, figures.role, figures.state)
    weakest = reading.weakest
    return DeviceView(
        figures.name,
        figures.role,
        figures.state,
        optical_dbm=weakest.receive_dbm if weakest else None,
        temperature_c=reading.temperature_c,
        users=reading.hotspot_users or reading.wifi_clients,
        ports_down=tuple(port.name for port in reading.ports if port.up is False and port.name in figures.watched),
        uptime_s=reading.uptime_s,
    )


@dataclass(frozen=True, slots=True)
class HostView:
    """The box itself: percentages 0..100 (disk: None when the state directory cannot be read), uptime in seconds."""

    cpu_percent: float
    memory_percent: float
    disk_percent: float | None
    uptime_s: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the page. A part that is not configured or not known yet is None; `village` is its plain name.

    `unread` counts the messages for the office's staff that nobody has read.
    """

    village: str
    kind: str
    version: str
    uplinks: tuple[UplinkView, ...] = ()
    classes: tuple[ClassView, ...] = ()
    modems: tuple[ModemView, ...] = ()
    queue: QueueView | None = None
    requests: tuple[RequestView, ...] = ()
    host: HostView | None = None
    devices: tuple[DeviceView, ...] = ()
    health: tuple[Raised, ...] = ()
    unread: int = 0
