"""What every kind of probe is to the watcher, and the table of kinds.

A new kind is one file in `edge.monitor.probes` and one line in `KINDS`; its module is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from edge.clock import Clock

Reason = Literal["", "no-device", "no-route", "refused", "not-sent"]


class NoPrivilege(Exception):
    """The process may not probe at all; the message says which capability it lacks."""


class NoDevice(Exception):
    """The network device does not exist (any more)."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe ended: answered after `rtt_ms`, or it could not leave, for `reason`. Silence is not a result."""

    serial: int
    target: str
    rtt_ms: float | None
    reason: Reason = ""


Report = Callable[[ProbeResult], None]


class Probe(Protocol):
    """Asks targets for a sign of life through one device; no method waits, results go to its `Report`."""

    def open(self) -> None:
        """Acquire what sending needs, on the running loop. Raises `NoPrivilege` or `NoDevice`."""
        ...

    def send(self, serial: int, target: str) -> None:
        """Probe `target` (an IPv4 address). A probe that cannot leave is reported with its reason, never raised."""
        ...

    def close(self) -> None:
        """Give everything back; may be opened again."""
        ...


class MakeProbe(Protocol):
    """Builds a probe that leaves by `device` only, marked `mark`."""

    def __call__(self, device: str, mark: int, *, clock: Clock, report: Report) -> Probe:
        """Build it closed."""
        ...


def _icmp() -> MakeProbe:
    from edge.monitor.probes.icmp import IcmpProbe

    return IcmpProbe


KINDS: Mapping[str, Callable[[], MakeProbe]] = MappingProxyType({"icmp": _icmp})
