"""Pure: what each source answered lately, for people to look at. No verdict rests on it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from edge.monitor.median import median
from edge.monitor.sources import Source

LATELY = 40  # probes of a source that its figures are of
KEPT_S = 15.0  # an answer later than this is none


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one source. `loss` is a share from 0 to 1, None before a probe of it was decided."""

    name: str
    kind: str
    role: str
    loss: float | None
    rtt_ms: float | None
    set_aside: bool


@dataclass(slots=True)
class _Outcome:
    name: str
    sent_at: float
    rtt_ms: float | None = None
    lost: bool = False


@dataclass(slots=True)
class Tally:
    """The last probes of each source. A probe is lost `timeout_s` after it was sent; a late answer corrects that."""

    sources: tuple[Source, ...]
    timeout_s: float
    _lately: dict[str, deque[_Outcome]] = field(init=False)
    _flights: dict[int, _Outcome] = field(init=False, default_factory=dict)
    _waiting: deque[_Outcome] = field(init=False, default_factory=deque)

    def __post_init__(self) -> None:
        """Begin with nothing known."""
        self.restart()

    def restart(self) -> None:
        """Forget every probe: the link itself changed."""
        self._lately = {source.name: deque(maxlen=LATELY) for source in self.sources}
        self._flights.clear()
        self._waiting.clear()

    def sent(self, serial: int, name: str, *, now: float) -> None:
        """Note that probe `serial` left for source `name`."""
        outcome = self._flights[serial] = _Outcome(name, now)
        self._lately[name].append(outcome)
        self._waiting.append(outcome)

    def answered(self, serial: int, rtt_ms: float) -> tuple[str, bool] | None:
        """Note an answer: whose it is, and whether it is late (told as lost before); None when it answers no probe."""
        outcome = self._flights.pop(serial, None)
        if outcome is None:
            return None
        outcome.rtt_ms, late, outcome.lost = rtt_ms, outcome.lost, False
        return outcome.name, late

    def failed(self, serial: int) -> str | None:
        """Note that a probe failed: whose it was; None when it is told as lost already, or unknown."""
        outcome = self._flights.pop(serial, None)
        if outcome is None or outcome.lost:
            return None
        outcome.lost = True
        return outcome.name

    def expire(self, *, now: float) -> list[str]:
        """The sources of probes that have become lost by now, one name a probe."""
        lost = []
        while self._waiting and now - self._waiting[0].sent_at >= self.timeout_s:
            outcome = self._waiting.popleft()
            if outcome.rtt_ms is None and not outcome.lost:
                outcome.lost = True
                lost.append(outcome.name)
        while self._flights and now - next(iter(self._flights.values())).sent_at >= KEPT_S:
            del self._flights[next(iter(self._flights))]
        return lost

    def rows(self, faulty: frozenset[str]) -> list[Row]:
        """The figures of every source, in their order."""
        return [self._row(source, source.name in faulty) for source in self.sources]

    def _row(self, source: Source, set_aside: bool) -> Row:
        outcomes = self._lately[source.name]
        trips = [outcome.rtt_ms for outcome in outcomes if outcome.rtt_ms is not None]
        lost = sum(outcome.lost for outcome in outcomes)
        return Row(
            source.name,
            source.kind,
            source.role,
            loss=lost / (lost + len(trips)) if lost or trips else None,
            rtt_ms=median(trips) if trips else None,
            set_aside=set_aside,
        )
