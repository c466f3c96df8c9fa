"""A detector in virtual time: the test says what every probe meets."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from edge.config import Monitor, Uplink
from edge.monitor.baseline import Baseline
from edge.monitor.detector import Detector
from edge.monitor.facts import LinkFacts
from edge.monitor.sources import Source, sources
from edge.monitor.verdict import Obstacle, Verdict

Meets = Callable[[Source], float | str | None]  # a round trip in ms, a reason, or silence

GATEWAY, RESOLVER = "10.35.52.1", "10.35.0.53"
ANCHORS, PUBLIC = ("10.35.0.10", "10.35.1.10"), ("9.9.9.9", "149.112.112.112")
SETTINGS = Monitor(check_url="http://check.example.go.id/")
MONDAY_NINE = 9


def uplink(targets: tuple[str, ...] = (*ANCHORS, *PUBLIC), resolvers: tuple[str, ...] = (RESOLVER,)) -> Uplink:
    return Uplink(
        name="pde",
        device="eth1",
        gateway=GATEWAY,
        download_mbit=10,
        upload_mbit=10,
        targets=targets,
        resolvers=resolvers,
    )


def well(source: Source) -> float:
    return 2.0 if source.role == "gateway" else 20.0


def dead(_: Source) -> None:
    return None


class Line:
    """One uplink under test; `meets` may be changed between two runs, so may the Mbit/s that it carries."""

    def __init__(
        self,
        of: Uplink | None = None,
        settings: Monitor = SETTINGS,
        *,
        now: float = 1_000.0,
        baseline: Baseline | None = None,
    ) -> None:
        self.sources = sources(of or uplink(), settings, GATEWAY)
        self.detector = Detector("pde", self.sources, settings, contract_mbit=(10, 10), now=now, baseline=baseline)
        self.now = now
        self.meets: Meets = well
        self.obstacle: Obstacle = ""
        self.down_mbit = self.up_mbit = 0.0
        self.reason_s = 0.02  # after which a failure is reported
        self.hour: int | None = MONDAY_NINE
        self.asked: list[tuple[float, str]] = []
        self._serial = 0
        self._second = now + 1
        self._flights: list[tuple[float, int, float | str]] = []

    @property
    def verdict(self) -> Verdict:
        return self.detector.verdict

    @property
    def said(self) -> str:
        return f"{self.verdict.level} {self.verdict.cause}".strip()

    def run(self, seconds: float) -> list[tuple[float, str]]:
        """Let so many seconds pass; the changes of level or cause, each with the seconds from the beginning."""
        begun, until, told = self.now, self.now + seconds, self.said
        changes = []
        while self.now < until:
            source, wake = self.detector.next(now=self.now)
            if source is not None:
                self._send(source)
            flying = self._flights[0][0] if self._flights else until
            self.now = min(max(wake, self.now), flying, self._second, until)
            self._arrive()
            self.detector.judge(self.obstacle, now=self.now, hour_of_week=self.hour)
            if self.said != told:
                told = self.said
                changes.append((round(self.now - begun, 2), told))
        return changes

    def _send(self, source: Source) -> None:
        self._serial += 1
        self.asked.append((self.now, source.name))
        self.detector.sent(self._serial, source, now=self.now)
        met = self.meets(source)
        if met is not None:
            after = met / 1_000 if isinstance(met, float) else self.reason_s
            heapq.heappush(self._flights, (self.now + after, self._serial, met))

    def _arrive(self) -> None:
        while self._flights and self._flights[0][0] <= self.now:
            _, serial, met = heapq.heappop(self._flights)
            if isinstance(met, str):
                self.detector.failed(serial, met, now=self.now)
            else:
                self.detector.answered(serial, met, now=self.now)
        if self.now >= self._second:
            self._second += 1
            received, sent = (round(mbit * 125_000) for mbit in (self.down_mbit, self.up_mbit))
            self.detector.carried(LinkFacts(1.0, received, sent), now=self.now)

    def intervals(self, name: str) -> list[float]:
        """The seconds between two probes of one source."""
        moments = [at for at, asked in self.asked if asked == name]
        return [after - before for before, after in itertools.pairwise(moments)]
