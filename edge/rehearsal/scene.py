"""Who plays in a rehearsal: the uplinks, whom they probe, the classes and the hours."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge import config
from edge.config import Classes, Config, Monitor, Policy, TrafficClass, Uplink
from edge.monitor.sources import Source, sources

ANYONE = "*"
ROLES = ("gateway", "dns", "http")


@dataclass(frozen=True, slots=True)
class Line:
    """One uplink of the rehearsal: its sources, and the Mbit/s of its contract, down and up."""

    name: str
    sources: tuple[Source, ...]
    contract_mbit: tuple[float, float]

    def targets(self) -> tuple[str, ...]:
        """What a row of conditions may name in `target`."""
        return (ANYONE, *ROLES, *(source.name for source in self.sources if source.role in ("anchor", "public")))


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a rehearsal needs but the conditions of the links."""

    lines: tuple[Line, ...]
    classes: Classes
    monitor: Monitor = field(default_factory=Monitor)
    policy: Policy = field(default_factory=Policy)
    calendar: config.Calendar = field(default_factory=config.Calendar)
    timezone: str = "Asia/Jakarta"

    def line(self, name: str) -> Line | None:
        """The line of that name."""
        return next((line for line in self.lines if line.name == name), None)


def of(config: Config) -> Scene:
    """The scene that a configuration describes; a gateway that is followed is the first hop, whoever it is."""
    lines = tuple(_line(uplink, config.monitor) for uplink in config.uplink)
    return Scene(lines, config.classes, config.monitor, config.policy, config.calendar, config.village.timezone)


def default() -> Scene:
    """Two uplinks with four targets, a gateway, a resolver and a check page each; see `UPLINKS`."""
    monitor = Monitor(check_url="http://check.example.go.id/generate_204")
    first_pde, only_telkom = ("pde", "telkom"), ("telkom",)
    classes = Classes(
        service=TrafficClass(uplinks=first_pde, guaranteed_percent=70),
        wifi=TrafficClass(uplinks=only_telkom, guaranteed_percent=20),
        control=TrafficClass(uplinks=first_pde, guaranteed_percent=10),
    )
    return Scene(tuple(_line(uplink, monitor) for uplink in UPLINKS), classes, monitor)


UPLINKS = (
    Uplink(
        name="pde",
        device="pde0",
        gateway="10.35.52.1",
        download_mbit=10,
        upload_mbit=10,
        targets=("10.35.0.10", "10.35.1.10", "9.9.9.9", "149.112.112.112"),
        resolvers=("10.35.0.53",),
    ),
    Uplink(
        name="telkom",
        device="telkom0",
        gateway="192.168.1.1",
        download_mbit=20,
        upload_mbit=20,
        anchors=("203.0.113.10", "203.0.113.20"),
        targets=("1.1.1.1", "8.8.8.8"),
        resolvers=("192.168.1.1",),
    ),
)


def _line(uplink: Uplink, monitor: Monitor) -> Line:
    gateway = uplink.gateway if uplink.gateway != "auto" else "gateway"
    return Line(uplink.name, sources(uplink, monitor, gateway), (uplink.download_mbit, uplink.upload_mbit))
