"""From signs to level and cause, with what holds it: the state machine of one uplink's verdict. Pure.

Down is told at once. Degraded needs signs that were held already (`edge.monitor.detector` weighs them). Up again
from degraded needs `rise_s` without a doubt; back from down, answers that last, and doubtful answers make it degraded
at best.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.config import Monitor
from edge.events import Level
from edge.monitor.verdict import Cause, Obstacle


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
        self.level: Level = "down"
        self.cause: Cause = "starting"

    def judge(self, signs: Signs, obstacle: Obstacle = "", *, now: float) -> bool:
        """Weigh the signs; True when level or cause changed."""
        level, cause = self._next(signs, obstacle, now)
        if level != self.level:
            self._good_since = None
        changed = (level, cause) != (self.level, self.cause)
        self.level, self.cause = level, cause
        return changed

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
        return ("up", signs.well) if now - self._good_since >= self._rise_s else ("degraded", self.cause)
