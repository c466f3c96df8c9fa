"""Is an uplink up, degraded or down, and why. Pure: evidence and `now` in, a verdict out.

Down is told at once: the device is gone, its carrier is lost, or every target has been silent for the outage time.
Everything else is held: bad for `fall_s` before degraded, good for `rise_s` before up again, and between the two
thresholds the verdict stays. After an outage the answers must last a moment before the uplink counts as back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.config import Monitor
from edge.events import Level
from edge.monitor.window import Summary

Cause = Literal[
    "",
    "starting",
    "no-device",
    "carrier",
    "no-reply",
    "gateway",
    "beyond-gateway",
    "lossy",
    "delayed",
    "no-targets",
    "no-privilege",
    "dns",
    "captive-portal",
    "target-fault",
    "slow",
]
Obstacle = Literal["", "no-device", "carrier", "no-privilege"]

LEAST_DECIDED = 5  # probes without which a share of losses says nothing


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is believed of an uplink. `loss` 0 to 1, `rtt_ms` the median or None, `since` (monotonic s) of the level.

    Down with cause "starting" means not known yet. Degraded with cause "no-privilege" means that only the carrier
    can be seen; up with cause "no-targets" that only the gateway is judged.
    """

    uplink: str
    level: Level
    cause: Cause
    loss: float
    rtt_ms: float | None
    since: float
    jitter_ms: float | None = None
    evidence: tuple[str, ...] = ()


class Judge:
    """The verdict of one uplink over time; `well` is the cause told while it is up ("" or "no-targets")."""

    def __init__(self, uplink: str, settings: Monitor, *, well: Literal["", "no-targets"] = "", now: float) -> None:
        self._settings = settings
        self._loss_recovered = min(settings.loss_recovered_percent, settings.loss_degraded_percent) / 100
        self._rtt_recovered = min(settings.rtt_recovered_ms, settings.rtt_degraded_ms)
        self._return_s = min(settings.rise_s, settings.outage_s)
        self._well: Cause = well
        self._bad_since: float | None = None
        self._good_since: float | None = None
        self.verdict = Verdict(uplink, "down", "starting", 0.0, None, now)

    def judge(self, summary: Summary, obstacle: Obstacle = "", *, now: float) -> Verdict:
        """Weigh the evidence; `obstacle` names what keeps probes from being sent at all."""
        level, cause = self._next(summary, obstacle, now)
        before = self.verdict
        if level != before.level:
            self._bad_since = self._good_since = None
        gone = level == "down" and cause != "starting"
        self.verdict = Verdict(
            before.uplink,
            level,
            cause,
            1.0 if gone else summary.loss,
            None if gone else summary.rtt_ms,
            before.since if level == before.level else now,
        )
        return self.verdict

    def _next(self, summary: Summary, obstacle: Obstacle, now: float) -> tuple[Level, Cause]:
        if obstacle == "no-privilege":
            return "degraded", obstacle
        if obstacle:
            return "down", obstacle
        if summary.silent:
            return "down", self._silence(summary)
        if self.verdict.level == "down":
            return self._returning(summary)
        if self.verdict.level == "up":
            return self._falling(summary, now)
        return self._rising(summary, now)

    def _silence(self, summary: Summary) -> Cause:
        if self._well == "no-targets":
            return "gateway"
        if summary.gateway is None:
            return "no-reply"
        return "beyond-gateway" if summary.gateway else "gateway"

    def _returning(self, summary: Summary) -> tuple[Level, Cause]:
        """Down: answers must last before it is believed; lossy or slow answers make it degraded at best."""
        starting = self.verdict.cause == "starting"
        if summary.answering_s is None or (not starting and summary.answering_s < self._return_s):
            return "down", self.verdict.cause
        if starting or self._good(summary):
            return "up", self._well
        return "degraded", "delayed" if summary.loss <= self._loss_recovered else "lossy"

    def _falling(self, summary: Summary, now: float) -> tuple[Level, Cause]:
        bad = self._bad(summary)
        if bad is None:
            self._bad_since = None
            return "up", self._well
        self._bad_since = now if self._bad_since is None else self._bad_since
        return ("degraded", bad) if now - self._bad_since >= self._settings.fall_s else ("up", self._well)

    def _rising(self, summary: Summary, now: float) -> tuple[Level, Cause]:
        if not self._good(summary):
            self._good_since = None
            return "degraded", self._complaint(summary)
        self._good_since = now if self._good_since is None else self._good_since
        if now - self._good_since >= self._settings.rise_s:
            return "up", self._well
        return "degraded", self.verdict.cause

    def _complaint(self, summary: Summary) -> Cause:
        """The cause stays until its own figure is good, so that two bad figures do not take turns."""
        cause = self.verdict.cause
        if cause == "lossy" and summary.loss > self._loss_recovered:
            return cause
        if cause == "delayed" and summary.rtt_ms is not None and summary.rtt_ms > self._rtt_recovered:
            return cause
        return self._bad(summary) or cause

    def _bad(self, summary: Summary) -> Literal["lossy", "delayed"] | None:
        if summary.decided < LEAST_DECIDED:
            return None
        if summary.loss * 100 > self._settings.loss_degraded_percent:
            return "lossy"
        if summary.rtt_ms is not None and summary.rtt_ms > self._settings.rtt_degraded_ms:
            return "delayed"
        return None

    def _good(self, summary: Summary) -> bool:
        if summary.rtt_ms is None:
            return False
        return summary.loss <= self._loss_recovered and summary.rtt_ms <= self._rtt_recovered
