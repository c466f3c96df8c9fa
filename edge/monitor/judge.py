"""From signs to level and cause, with what holds it: the state machine of one uplink's verdict. Pure.

Down is told at once. Degraded needs signs that were held already (`edge.monitor.detector` weighs them). Up again
from degraded needs `rise_s` without a doubt, twice as long after each relapse: a link at the very edge is told once,
not every minute. Back from down, answers that last, and doubtful answers make it degraded at best.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.config import Monitor
from edge.events import Level
from edge.monitor.verdict import Cause, Obstacle

RELAPSE_S = 600.0  # degraded again so soon after it was up
MOST_RISES = 16  # the longest rise, in `rise_s`


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known at one moment.

    `silence` names the cause of a proven silence, "" without; `answering_s` tells since when answers come (None: they
    do not). `bad` are reasons to call it degraded, the weightiest first; `doubts` reasons not to call it up again.
    `well` is the cause told while it is up.
    """

    silence: Cause = ""
    answering_s: float | None = None
    captive: bool = False
    bad: tuple[Cause, ...] = ()
    doubts: tuple[Cause, ...] = ()
    well: Cause = ""


class Judge:
    """Level and cause of one uplink over time; begins down, "starting"."""

    def __init__(self, settings: Monitor) -> None:
        self._return_s = min(settings.rise_s, settings.outage_s)
        self._rise_s = settings.rise_s
        self._good_since: float | None = None
        self._rises = 1
        self._risen_at: float | None = None
        self.level: Level = "down"
        self.cause: Cause = "starting"

    def judge(self, signs: Signs, obstacle: Obstacle = "", *, now: float) -> bool:
        """Weigh the signs; True when level or cause changed."""
        level, cause = self._next(signs, obstacle, now)
        if level != self.level:
            self._good_since = None
            self._note_relapse(level, now)
        changed = (level, cause) != (self.level, self.cause)
        self.level, self.cause = level, cause
        return changed

    def _note_relapse(self, level: Level, now: float) -> None:
        if (self.level, level) == ("degraded", "up"):
            self._risen_at = now
        elif (self.level, level) == ("up", "degraded"):
            soon = self._risen_at is not None and now - self._risen_at < RELAPSE_S
            self._rises = min(2 * self._rises, MOST_RISES) if soon else 1

    def _next(self, signs: Signs, obstacle: Obstacle, now: float) -> tuple[Level, Cause]:
        if obstacle == "no-privilege":
            return "degraded", obstacle
        if obstacle:
            return "down", obstacle
        if signs.captive:
            return "down", "captive-portal"
        if signs.silence:
            return "down", signs.silence
        if self.level == "down":
            return self._returning(signs)
        if self.level == "up":
            return ("degraded", signs.bad[0]) if signs.bad else ("up", signs.well)
        return self._rising(signs, now)

    def _returning(self, signs: Signs) -> tuple[Level, Cause]:
        if signs.answering_s is None:
            return "down", self.cause
        if self.cause == "starting":
            return "up", signs.well
        if signs.answering_s < self._return_s:
            return "down", self.cause
        return ("degraded", signs.doubts[0]) if signs.doubts else ("up", signs.well)

    def _rising(self, signs: Signs, now: float) -> tuple[Level, Cause]:
        if signs.doubts:
            self._good_since = None
            # the cause stays until its own figure is good, so that two bad figures do not take turns
            return "degraded", self.cause if self.cause in signs.doubts else signs.doubts[0]
        self._good_since = now if self._good_since is None else self._good_since
        return ("up", signs.well) if now - self._good_since >= self._rise_s * self._rises else ("degraded", self.cause)
