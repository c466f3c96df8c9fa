"""How far round trips are above the usual, for how long, and what is usual. Pure.

The typical rise is the lower median over the sources of each one's median rise in the last seconds: a single slow host
is not the line. The baseline learns only while the uplink is well, has been for a while and carries little.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.config import Monitor
from edge.monitor.baseline import EVERY_S, MOST_RISE, Baseline
from edge.monitor.track import Track

SPAN_S = 3.0
FIRST_S = 3.0  # the first round trips are taken as usual so soon: before that no delay can be told
LONG_SPAN_S = 8.0  # where nobody answered for longer


class Delay:
    """The delay of one uplink over its targets `beyond`; `others` are asked where fewer than two of those are known."""

    def __init__(
        self, beyond: tuple[Track, ...], others: tuple[Track, ...], baseline: Baseline, settings: Monitor, *, now: float
    ) -> None:
        self._beyond, self._others = beyond, others
        self._baseline = baseline
        self._degraded_ms = settings.rtt_degraded_ms
        self._recovered_ms = min(settings.rtt_recovered_ms, settings.rtt_degraded_ms)
        self._fall_s = settings.fall_s
        self.restart(now=now)

    def restart(self, *, now: float) -> None:
        """Forget what was measured; what is usual stays."""
        self.rise_ms: float | None = None
        self._late_s = 0.0
        self._learn_at = now + self.settled_s

    @property
    def settled_s(self) -> float:
        """How long the uplink must have been well before its round trips are learned."""
        return EVERY_S if self._baseline.known else FIRST_S

    @property
    def held(self) -> bool:
        """Have round trips been too far above the usual for long enough?"""
        return self._late_s > 0 and self._late_s >= self._fall_s

    @property
    def doubtful(self) -> bool:
        """Are they still above what counts as well again?"""
        return self.rise_ms is not None and self.rise_ms > self._recovered_ms

    def measure(self, *, now: float) -> None:
        """Measure the rise; once a second."""
        known = [track for track in self._beyond if track.trusted and track.usual_ms is not None]
        if len(known) < 2:
            known += [track for track in self._others if track.usual_ms is not None]
        smoothed = [_smoothed_rise(track) for track in known]
        if smoothed and max(smoothed) < self._recovered_ms / 4:
            self.rise_ms = max(smoothed)  # the exact figure is dear, and nothing rests on it
            return
        rises = _rises(known, now - SPAN_S) or _rises(known, now - LONG_SPAN_S)
        self.rise_ms = rises[(len(rises) - 1) // 2] if rises else None

    def hold(self, weight: float) -> None:
        """A second more counts by `weight`: less than 1 while own load explains the delay."""
        late = self.rise_ms is not None and self.rise_ms > self._degraded_ms
        self._late_s = self._late_s + weight if late else 0.0

    def learn(self, tracks: Iterable[Track], hour_of_week: int | None, *, well: bool, now: float) -> None:
        """Every few seconds: take what is usual now, if all is `well`, and look up what is usual at this hour."""
        if now < self._learn_at:
            return
        for track in tracks:
            rtt = track.rtt_ms(now - EVERY_S) if well and not self._late_s else None
            if rtt is not None:
                self._baseline.learn(track.name, rtt, hour_of_week)
            track.usual_ms = self._baseline.usual(track.name, hour_of_week, MOST_RISE * self._degraded_ms)
        self._learn_at = now + (EVERY_S if self._baseline.known else 1.0)


def _smoothed_rise(track: Track) -> float:
    return (track.srtt_ms or 0.0) - (track.usual_ms or 0.0)


def _rises(tracks: Iterable[Track], since: float) -> list[float]:
    found = ((track.rtt_ms(since), track.usual_ms or 0.0) for track in tracks)
    return sorted(rtt - usual for rtt, usual in found if rtt is not None)
