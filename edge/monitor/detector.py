"""Everything that judges one uplink, behind one door without a clock: facts and `now` in, a verdict out. Pure.

The shell (the watcher, or the rehearsal in virtual time) asks `next` whom to probe, tells what happened by `sent`,
`answered`, `failed`, `carried` and `fetched`, and reads `judge`. It decides nothing itself.
"""

from __future__ import annotations

from edge import config
from edge.monitor.baseline import Baseline
from edge.monitor.facts import LinkFacts
from edge.monitor.sources import Source
from edge.monitor.verdict import Judge, Obstacle, Verdict
from edge.monitor.window import Window

BURST_S = 1.0
FAULTY_EVERY_S = 5.0
LEAST_PROBES = 20
_GATEWAY = "gateway"


class Detector:
    """The judge of `uplink` by its `sources`; `contract_mbit` is what comes down and goes up by contract."""

    def __init__(
        self,
        uplink: str,
        sources: tuple[Source, ...],
        settings: config.Monitor,
        *,
        contract_mbit: tuple[float, float],
        now: float,
        baseline: Baseline | None = None,
    ) -> None:
        self.baseline = baseline or Baseline()
        self._settings = settings
        self._contract_mbit = contract_mbit
        self._sources = sources
        targets = tuple(source.name for source in sources if source.role in ("anchor", "public"))
        self._window = Window(
            targets=targets or (_GATEWAY,),
            gateway=_GATEWAY if targets else "",
            span_s=max(settings.window_s, LEAST_PROBES * settings.interval_ms / 1_000),
            timeout_s=settings.timeout_ms / 1_000,
            outage_s=settings.outage_s,
            started_at=now,
        )
        self._judge = Judge(uplink, settings, well="" if targets else "no-targets", now=now)
        self._asked_at = {source.name: -1e9 for source in sources}
        self._turn = 0
        self._due = self._burst_until = now

    @property
    def faulty(self) -> frozenset[str]:
        """Names of the sources that are set aside because they alone do not answer."""
        return self._window.faulty

    def restart(self, *, now: float) -> None:
        """Forget every probe: the link itself changed (another device, the carrier came back)."""
        self._window.restart(now=now)
        self._due = self._burst_until = now

    def next(self, *, now: float) -> tuple[Source | None, float]:
        """A source to probe now (tell it by `sent`), or None, and the monotonic time to ask again at the latest."""
        if now < self._due:
            return None, self._due
        burst = now < self._burst_until
        self._due = now + (self._settings.burst_interval_ms if burst else self._settings.interval_ms) / 1_000
        for _ in self._sources:
            source = self._sources[self._turn % len(self._sources)]
            self._turn += 1
            least = max(source.spacing_s, FAULTY_EVERY_S if source.name in self.faulty else 0.0)
            if now - self._asked_at[source.name] >= least:
                return source, self._due
        return None, self._due

    def sent(self, serial: int, source: Source, *, now: float) -> None:
        """Note that probe `serial` (increasing) left for `source`."""
        self._asked_at[source.name] = now
        if source.role not in ("dns", "http"):
            self._window.sent(serial, source.name, now=now)

    def answered(self, serial: int, rtt_ms: float, *, now: float) -> bool:
        """Note an answer. False when the probe is unknown, too old or answered already: then nothing changed."""
        return self._window.answered(serial, rtt_ms, now=now)

    def failed(self, serial: int, reason: str, *, now: float) -> bool:
        """Note a probe that failed for `reason`: could not leave, refused, "captive", "status", "dns-error"."""
        return self._window.failed(serial)

    def carried(self, facts: LinkFacts, *, now: float) -> None:
        """Take what the device carried; once a second."""

    def fetched(self, mbit: float, *, now: float) -> None:
        """Take the rate of a timed fetch that ended."""

    def judge(self, obstacle: Obstacle = "", *, now: float, hour_of_week: int | None) -> Verdict:
        """The verdict now; cheap, to be asked at every step.

        `obstacle` keeps probes from being sent at all; `hour_of_week` is 0 to 167, Monday 00 h being 0, and None while
        the clock is not trusted.
        """
        for _name in self._window.expire(now=now):
            if self._judge.verdict.level == "up" and now >= self._burst_until:
                self._burst_until = now + BURST_S
                self._due = min(self._due, now + self._settings.burst_interval_ms / 1_000)
        return self._judge.judge(self._window.summary(now=now), obstacle, now=now)
