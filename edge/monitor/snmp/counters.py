"""Pure: a device's counters as totals that never go back, whatever the device does to them.

A 32-bit byte counter wraps (RFC 2863, 3.1.6); any counter starts anew when the device restarts; and some lie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.monitor.snmp.figures import Port

MOST_BYTES_S = 12.5e9  # 100 Gbit/s: what no port of a village carries, so that a leap beyond it is a lie
MOST_ERRORS_S = 1.5e8  # smallest frames at 100 Gbit/s


@dataclass(frozen=True, slots=True)
class RawPort:
    """An interface as the device says it. `wide`: the byte counters have 64 bits. None: it does not say."""

    name: str
    up: bool | None = None
    speed_mbit: int | None = None
    received: int | None = None
    sent: int | None = None
    errors: int | None = None
    wide: bool = True


class Meter:
    """Totals of all ports of one device."""

    def __init__(self) -> None:
        self.flaws: set[str] = set()
        self._before: dict[str, tuple[RawPort, Port]] = {}
        self._at = 0.0

    def take(self, raw: tuple[RawPort, ...], *, restarted: bool, now: float) -> tuple[Port, ...]:
        """The ports with their totals, `now` in monotonic seconds. Ports that are gone are forgotten."""
        self.flaws = set()
        elapsed, self._at = now - self._at, now
        ports = tuple(self._advance(port, elapsed, restarted) for port in raw)
        self._before = {port.name: (said, port) for said, port in zip(raw, ports, strict=True)}
        return ports

    def _advance(self, said: RawPort, elapsed: float, restarted: bool) -> Port:
        fresh = Port(said.name, said.up, said.speed_mbit)
        if said.name not in self._before:
            return fresh
        last, total = self._before[said.name]
        if elapsed <= 0:
            return total
        wrap = 0 if said.wide or restarted else 2**32
        most = MOST_BYTES_S * elapsed
        received = self._grown(last.received, said.received, wrap, most, restarted)
        sent = self._grown(last.sent, said.sent, wrap, most, restarted)
        errors = self._grown(last.errors, said.errors, 0, MOST_ERRORS_S * elapsed, restarted)
        return replace(
            fresh,
            received_bytes=total.received_bytes + (received or 0),
            sent_bytes=total.sent_bytes + (sent or 0),
            errors=total.errors + (errors or 0),
            received_mbit=None if received is None else received * 8e-6 / elapsed,
            sent_mbit=None if sent is None else sent * 8e-6 / elapsed,
        )

    def _grown(self, last: int | None, now: int | None, wrap: int, most: float, restarted: bool) -> int | None:
        if last is None or now is None:
            return None
        grown = now - last
        if grown < 0:
            grown = now if restarted else grown + wrap
        if 0 <= grown <= most:
            return grown
        self.flaws.add("ports: a counter leaps or goes back")
        return None
