"""Tells what became of an uplink: events, health conditions, and the verdict to whoever acts. Each change once."""

from __future__ import annotations

from collections.abc import Callable

from edge.events import Announce, UplinkJudged
from edge.health import Health
from edge.monitor.verdict import Verdict


class Herald:
    """Speaks for `uplink`; `judged` is called on every change of level or cause, never for the first "starting"."""

    def __init__(self, uplink: str, *, announce: Announce, health: Health, judged: Callable[[Verdict], None]) -> None:
        self._uplink = uplink
        self._announce = announce
        self._health = health
        self._judged = judged
        self._told = ("down", "starting")
        self._faulty: frozenset[str] = frozenset()

    def device(self, device: str, *, missing: bool) -> None:
        """The network device is there, or not."""
        self._condition("device-missing", missing, f"network device {device} does not exist")

    def privilege(self, lack: str) -> None:
        """What right the process lacks to probe, "" when none."""
        self._condition("probe-privilege", bool(lack), lack)

    def tell(self, verdict: Verdict, faulty: frozenset[str]) -> None:
        """Tell what has changed since the last call."""
        if faulty != self._faulty:
            self._tell_faulty(faulty)
        if (verdict.level, verdict.cause) == self._told:
            return
        self._told = (verdict.level, verdict.cause)
        self._condition("uplink-down", verdict.level == "down", _because(verdict))
        degraded = verdict.level == "degraded" and verdict.cause != "no-privilege"
        self._condition("uplink-degraded", degraded, _because(verdict))
        self._announce(
            UplinkJudged(
                verdict.uplink,
                verdict.level,
                verdict.cause,
                verdict.loss,
                verdict.rtt_ms,
                jitter_ms=verdict.jitter_ms,
                evidence=verdict.evidence,
            )
        )
        self._judged(verdict)

    def _tell_faulty(self, faulty: frozenset[str]) -> None:
        for name in sorted(faulty ^ self._faulty):
            detail = f"{name} is set aside until it answers well again"
            self._condition("uplink-target-fault", name in faulty, detail, subject=f"{self._uplink} {name}")
        self._faulty = faulty

    def _condition(self, code: str, holds: bool, detail: str, *, subject: str = "") -> None:
        if holds:
            self._health.raise_(code, detail, subject=subject or self._uplink)
        else:
            self._health.clear(code, subject=subject or self._uplink)


def _because(verdict: Verdict) -> str:
    return "; ".join((verdict.cause, *verdict.evidence))
