"""What every kind of probe is to the watcher, and the table of kinds.

A new kind is one file in `edge.monitor.probes` and one line in `KINDS`; its module is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from edge.clock import Clock
from edge.config import Monitor

Reason = Literal[
    "",
    "no-device",  # the device is gone or down
    "no-route",  # the kernel knows no way, or a router on the way says that there is none
    "refused",  # a local firewall, or the far side's port, refuses
    "not-sent",  # the kernel would not send, for another reason
    "too-many",  # so many are in flight already that this one was not sent
    "dns-error",  # a resolver answered, but with SERVFAIL, REFUSED or the like
    "unresolved",  # no resolver told an address of the name in a URL
    "status",  # the right server answered with an error of its own, or a certificate out of its time
    "captive",  # somebody else answered in the server's place
    "broken",  # an answer began, but was cut off or makes no sense
]


class NoPrivilege(Exception):
    """The process may not probe at all; the message says which capability it lacks."""


class NoDevice(Exception):
    """The network device does not exist (any more)."""


@dataclass(frozen=True, slots=True)
class Way:
    """How an uplink's probes leave: by `device` only, with fwmark `mark`; names are asked of `resolvers`."""

    device: str
    mark: int
    resolvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe ended: answered after `rtt_ms`, or it failed, for `reason`. Silence is not a result."""

    serial: int
    target: str
    rtt_ms: float | None
    reason: Reason = ""


Report = Callable[[ProbeResult], None]


class Probe(Protocol):
    """Asks targets for a sign of life by one way; no method waits, results go to its `Report`."""

    def open(self) -> None:
        """Acquire what sending needs, on the running loop. Raises `NoPrivilege` or `NoDevice`."""
        ...

    def send(self, serial: int, target: str) -> None:
        """Probe `target`, written as the kind wants it. What cannot leave is reported with its reason, never raised."""
        ...

    def close(self) -> None:
        """Give everything back and forget what is in flight; may be opened again."""
        ...


class MakeProbe(Protocol):
    """Builds a probe that leaves by `way` only; `settings` tell what is asked and which answer is right."""

    def __call__(self, way: Way, settings: Monitor, *, clock: Clock, report: Report) -> Probe:
        """Build it closed."""
        ...


def _icmp() -> MakeProbe:
    from edge.monitor.probes.icmp import IcmpProbe

    return IcmpProbe


def _tcp() -> MakeProbe:
    from edge.monitor.probes.tcp import TcpProbe

    return TcpProbe


def _dns() -> MakeProbe:
    from edge.monitor.probes.dns import DnsProbe

    return DnsProbe


def _http() -> MakeProbe:
    from edge.monitor.probes.http import HttpProbe

    return HttpProbe


KINDS: Mapping[str, Callable[[], MakeProbe]] = MappingProxyType(
    {"icmp": _icmp, "tcp": _tcp, "dns": _dns, "http": _http}
)
