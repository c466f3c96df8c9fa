"""Pure: what the last hour and day are on a box whose clock may be set while it counts.

A box without a battery clock starts in 1970, or where it was when the power went, and jumps when NTP answers. Stamps
are wall time as it was believed then. Limits must neither begin anew with each such jump nor hold for ever:

- A jump from a clock that nobody had vouched for is remembered: what was stamped before it belongs as much later.
- A clock that starts behind the newest stamp hides how long the power was away. Until it is right, what was done before
  counts as if that had been no time at all; only what has passed since the start (monotonic time) makes it older.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edge.queue.store.windows import DAY_S, HOUR_S, MOST_WINDOWS, Recent, Windows

SLACK_S = 60.0
"""Clocks are trimmed by less than this from one look to the next."""


@dataclass(frozen=True, slots=True)
class Step:
    """Stamps after `since` up to `until` were given `by` seconds too early."""

    since: float
    until: float
    by: float


class Steps:
    """How one box's clock was set. `kept` is what `dump` gave before; `newest` the newest stamp at the start."""

    def __init__(self, kept: str = "", *, newest: float | None = None) -> None:
        self._kept = [Step(*values) for values in json.loads(kept or "[]")]
        self._own: list[Step] = []
        self._newest = newest
        self._offset: float | None = None
        self._trusted = False

    def look(self, *, wall: float, monotonic: float, trusted: bool) -> bool:
        """Compare the clocks; whether there is something new to keep."""
        offset, before = wall - monotonic, self._offset
        if self._newest is not None and (trusted or wall > self._newest):
            self._newest = None
        by = 0.0 if before is None or self._trusted else offset - before
        self._offset, self._trusted = offset, trusted
        if before is None or abs(by) <= SLACK_S:
            return False
        self._own = [replace(step, by=step.by + by) for step in self._own]
        self._own.append(Step(before, before + monotonic, by))
        self._kept = [step for step in self._kept if step.until + step.by > wall - DAY_S]
        return True

    def dump(self) -> str:
        """What is to be kept from one start to the next."""
        return json.dumps([[step.since, step.until, step.by] for step in self._steps()])

    def recent(self, *, wall: float, monotonic: float) -> Recent:
        """The stamps of the last hour and day."""
        return Recent(*(self._last(span_s, wall, monotonic) for span_s in (HOUR_S, DAY_S)))

    def _steps(self) -> list[Step]:
        return (self._kept + self._own)[-(MOST_WINDOWS - 1) :]

    def _last(self, span_s: float, wall: float, monotonic: float) -> Windows:
        found = [(wall - span_s, wall)]
        if self._newest is not None:
            found.append((self._newest - span_s + monotonic, self._newest))
        found += [
            (max(step.since, wall - span_s - step.by), min(step.until, wall - step.by))
            for step in reversed(self._steps())
        ]
        return tuple(_apart(window for window in found[:MOST_WINDOWS] if window[0] < window[1]))


def _apart(windows: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same stretches without overlaps, so that nothing counts twice."""
    apart: list[tuple[float, float]] = []
    for since, until in sorted(windows):
        if apart and since <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(until, apart[-1][1])
        else:
            apart.append((since, until))
    return apart
