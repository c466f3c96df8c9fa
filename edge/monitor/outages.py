"""Outages and brownouts as they come and go. Pure: verdicts and `now` in, episodes with begin, end and cause out.

Times are monotonic; wall time is written beside a beginning as soon as it is known, and an end is the beginning plus
what the monotonic clock says, whatever the wall clock did meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.events import Level

RECOVERED = "recovered"
BOX_OFF = "box-off"


@dataclass(slots=True, eq=False)
class Outage:
    """One uplink down or degraded from `began` to `ended` (monotonic s, None while it lasts).

    `began_wall` is Unix time, None until the clock is trusted; `row` its place in the store, None until written.
    `ended_by` is ``recovered``, the other level, or the cause for which the box could look no longer.
    """

    uplink: str
    level: Level
    began: float
    began_wall: float | None
    ended: float | None = None
    ended_by: str = ""
    row: int | None = None
    _causes: dict[str, float] = field(default_factory=dict)
    _cause: str = ""
    _cause_since: float = 0.0

    def caused(self, cause: str, *, now: float) -> None:
        """The cause is `cause` from now on ("" at the end)."""
        if self._cause:
            self._causes[self._cause] = self._causes.get(self._cause, 0.0) + now - self._cause_since
        self._cause, self._cause_since = cause, now

    def cause(self, *, now: float) -> str:
        """The cause that held longest."""
        held = dict(self._causes)
        if self._cause:
            held[self._cause] = held.get(self._cause, 0.0) + now - self._cause_since
        return max(held, key=lambda cause: held[cause], default="")

    def wall(self, moment: float) -> float | None:
        """Unix time of a monotonic moment of this outage."""
        return None if self.began_wall is None else self.began_wall + moment - self.began


class Outages:
    """The episodes of all uplinks that hold now."""

    def __init__(self) -> None:
        self.open: dict[str, Outage] = {}

    def judged(self, uplink: str, level: Level | None, cause: str, *, now: float, wall: float | None) -> list[Outage]:
        """Take a verdict (None: nobody knows, for `cause`); the episodes that began or ended by it."""
        current = self.open.get(uplink)
        if current is not None and current.level == level:
            current.caused(cause, now=now)
            return []
        changed = []
        if current is not None:
            current.caused("", now=now)
            current.ended = now
            current.ended_by = RECOVERED if level == "up" else level or cause
            changed.append(self.open.pop(uplink))
        if level in ("down", "degraded"):
            begun = self.open[uplink] = Outage(uplink, level, now, wall)
            begun.caused(cause, now=now)
            changed.append(begun)
        return changed
