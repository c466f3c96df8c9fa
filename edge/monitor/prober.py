"""The probes of one uplink, one of each kind its sources need, opened and closed together."""

from __future__ import annotations

from collections.abc import Iterable

from edge.clock import Clock
from edge.config import Monitor
from edge.monitor.probe import KINDS, Probe, Report, Way


class Prober:
    """Sends probes of several `kinds` by one way; results of all go to `report`."""

    def __init__(self, kinds: Iterable[str], way: Way, settings: Monitor, *, clock: Clock, report: Report) -> None:
        self._probes: dict[str, Probe] = {
            kind: KINDS[kind]()(way, settings, clock=clock, report=report) for kind in dict.fromkeys(kinds)
        }

    def open(self) -> None:
        """Open every kind. Raises `NoPrivilege` or `NoDevice`, and then none is open."""
        try:
            for probe in self._probes.values():
                probe.open()
        except BaseException:
            self.close()
            raise

    def send(self, serial: int, kind: str, target: str) -> None:
        """Probe `target`; what cannot leave is reported."""
        self._probes[kind].send(serial, target)

    def close(self) -> None:
        """Close every kind and forget what is in flight."""
        for probe in self._probes.values():
            probe.close()
