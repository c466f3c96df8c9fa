"""Pure: verdicts to an assignment of traffic classes to uplinks, each with its reason.

A class keeps its uplink while that is well. Down: it takes the best other one at once. Degraded: the service and the
box's own traffic move, but only to an uplink that is up. Back to a preferred uplink it goes only after that one has
been up for the hold, so that a flapping uplink does not tear connections twice a minute. With every uplink down it
stays where it is: moving would help nobody and the first uplink to return is found at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from edge import config
from edge.config import Classes, TrafficClass
from edge.marks import CLASSES
from edge.monitor.verdict import Verdict

Standing = Literal["up", "unknown", "degraded", "down"]
_RANK: dict[Standing, int] = {"up": 0, "degraded": 1, "unknown": 1, "down": 2}
_LEAVES_DEGRADED = ("service", "control")


@dataclass(frozen=True, slots=True)
class Choice:
    """The uplink of one class (None: it never had any) and the reason in a few words."""

    uplink: str | None
    because: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """The choice of every class."""

    service: Choice
    wifi: Choice
    control: Choice

    def __getitem__(self, name: str) -> Choice:
        choice: Choice = getattr(self, name)
        return choice

    def rows(self) -> tuple[tuple[str, str | None, str], ...]:
        """Class, uplink and reason, in the order of the marks."""
        return tuple((name, self[name].uplink, self[name].because) for name in CLASSES)


_ADOPTED = "as the kernel had it"
_UNDECIDED = Choice(None, "not decided yet")
NOTHING = Assignment(_UNDECIDED, _UNDECIDED, _UNDECIDED)


def standing(verdict: Verdict | None) -> Standing:
    """What a verdict says for steering: an uplink nobody could judge yet is unknown, not down."""
    if verdict is None or verdict.cause in ("starting", "no-privilege"):
        return "unknown"
    return verdict.level


class Policy:
    """Steers the classes: feed it verdicts, take assignments; `now` is monotonic like `Verdict.since`.

    `adopted` is what the kernel's rules already show, traffic class -> uplink (fail static).
    """

    def __init__(
        self, classes: Classes, settings: config.Policy, *, adopted: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._classes = classes
        self._settings = settings
        self._verdicts: Mapping[str, Verdict] = {}
        self.assignment = adopt(adopted)

    def decide(
        self,
        verdicts: Mapping[str, Verdict],
        *,
        service_hours: bool,
        service_idle: bool = False,
        preferred: Mapping[str, str] = MappingProxyType({}),
        now: float,
    ) -> Assignment:
        """The assignment from now on. `preferred` is what a person forces, traffic class -> uplink."""
        self._verdicts = verdicts
        self.assignment = decide(
            self._classes, verdicts, self.assignment, hold_s=self._settings.failback_hold_s, now=now
        )
        return self.assignment

    def again_at(self, *, now: float) -> float | None:
        """When to decide again though nothing changes, or None."""
        return again_at(self._classes, self._verdicts, self.assignment, hold_s=self._settings.failback_hold_s)


def adopt(adopted: Mapping[str, str]) -> Assignment:
    """The assignment that the kernel's rules already show, by class (fail static)."""
    return Assignment(*(Choice(adopted[name], _ADOPTED) if name in adopted else _UNDECIDED for name in CLASSES))


def decide(
    classes: Classes, verdicts: Mapping[str, Verdict], before: Assignment, *, hold_s: float, now: float
) -> Assignment:
    """The assignment from now on. `hold_s` is the failback hold in seconds, `now` is monotonic like `Verdict.since`."""
    return Assignment(*(_choose(name, getattr(classes, name), verdicts, before[name], hold_s, now) for name in CLASSES))


def again_at(
    classes: Classes, verdicts: Mapping[str, Verdict], assignment: Assignment, *, hold_s: float
) -> float | None:
    """When to decide again though no verdict changes: the end of the next failback hold, or None."""
    ends = [
        verdicts[uplink].since + hold_s
        for name in CLASSES
        for uplink in _preferred(getattr(classes, name), assignment[name].uplink)
        if standing(verdicts.get(uplink)) == "up"
    ]
    return min(ends, default=None)


def _choose(
    name: str, traffic: TrafficClass, verdicts: Mapping[str, Verdict], before: Choice, hold_s: float, now: float
) -> Choice:
    current = before.uplink if before.uplink in traffic.uplinks else None
    best = min(traffic.uplinks, key=lambda uplink: _RANK[standing(verdicts.get(uplink))])
    if current is None:
        return Choice(best, _said(verdicts, best))
    now_standing, best_standing = standing(verdicts.get(current)), standing(verdicts.get(best))
    if now_standing == "down":
        if best_standing == "down":
            return Choice(current, _stays(current))
        return Choice(best, f"{_said(verdicts, current)}; {_said(verdicts, best)}")
    if now_standing == "degraded" and best_standing == "up" and name in _LEAVES_DEGRADED:
        return Choice(best, f"{_said(verdicts, current)}; {_said(verdicts, best)}")
    for uplink in _preferred(traffic, current):
        if standing(verdicts.get(uplink)) == "up" and now - verdicts[uplink].since >= hold_s:
            return Choice(uplink, f"back to {uplink}: well for {hold_s:g} s")
    provisional = (_stays(current), _ADOPTED, _unjudged(current))
    if before.because in provisional and now_standing != "unknown":
        return Choice(current, _said(verdicts, current))
    return before


def _unjudged(uplink: str) -> str:
    return f"{uplink} is not judged yet"


def _stays(uplink: str) -> str:
    return f"all its uplinks are down; it stays on {uplink}"


def _preferred(traffic: TrafficClass, current: str | None) -> Iterator[str]:
    """The uplinks that the class prefers to its current one."""
    for uplink in traffic.uplinks:
        if uplink == current:
            return
        yield uplink


def _said(verdicts: Mapping[str, Verdict], uplink: str) -> str:
    verdict = verdicts.get(uplink)
    state = standing(verdict)
    if verdict is None or state == "unknown":
        return _unjudged(uplink)
    return f"{uplink} is {state}" + (f" ({verdict.cause})" if verdict.cause else "")
