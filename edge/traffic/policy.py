"""Pure: verdicts, hours and a person's wish to an assignment of traffic classes to uplinks, each with its reason.

A class moves only to a better uplink: up is better than degraded, degraded is better than down, one that nobody could
judge yet counts as degraded. Down, it takes the best other one at once. Degraded, the service and the box's own
traffic move when ``brownout_moves`` allows it, guests never. Back to an uplink that stands before it in the class's
order it goes once that one has been up for its hold, which grows with each flap (`edge.traffic.flaps`); in service
hours the service and the box's own traffic also wait for a pause of the service, unless their uplink is not well. With
every uplink down a class stays where it is: moving would help nobody and the first uplink to return is found at once.
What a person chose wins while it is not down.
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
from edge.traffic.flaps import Flaps

Standing = Literal["up", "unknown", "degraded", "down"]
_RANK: dict[Standing, int] = {"up": 0, "degraded": 1, "unknown": 1, "down": 2}
_SENSITIVE = ("service", "control")
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Choice:
    """The uplink of one class (None: it never had any), the reason in one sentence, the measured facts behind it."""

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


def standing(verdict: Verdict | None) -> Standing:
    """What a verdict says for steering: an uplink nobody could judge yet is unknown, not down."""
    if verdict is None or verdict.cause in ("starting", "no-privilege"):
        return "unknown"
    return verdict.level


def _adopt(adopted: Mapping[str, str]) -> Assignment:
    """The assignment that the kernel's rules already show, by class (fail static)."""
    return Assignment(*(Choice(adopted[name], _ADOPTED) if name in adopted else _UNDECIDED for name in CLASSES))


@dataclass(frozen=True, slots=True)
class _Situation:
    """What one decision rests on."""

    verdicts: Mapping[str, Verdict]
    service_hours: bool
    preferred: Mapping[str, str]
    now: float

    def standing(self, uplink: str) -> Standing:
        return standing(self.verdicts.get(uplink))

    def rank(self, uplink: str) -> int:
        return _RANK[self.standing(uplink)]

    def known_ill(self, uplink: str) -> int:
        """The rank where nothing is in use yet: an uplink not judged yet is hoped to be well."""
        return 0 if self.standing(uplink) == "unknown" else self.rank(uplink)

    def since(self, uplink: str) -> float:
        return self.verdicts[uplink].since

    def said(self, uplink: str) -> str:
        """What the verdict on `uplink` is, in words."""
        state = self.standing(uplink)
        if state == "unknown":
            return f"{uplink} is not judged yet"
        cause = self.verdicts[uplink].cause
        return f"{uplink} is {state}" + (f" ({cause})" if cause else "")

    def choice(self, uplink: str, because: str, *others: str) -> Choice:
        """`uplink` for this reason, with the facts about it and the `others` that the reason speaks of."""
        facts = ((name, self.verdicts.get(name)) for name in dict.fromkeys((*others, uplink)))
        evidence = tuple(f"{name}: {fact}" for name, verdict in facts if verdict for fact in verdict.evidence)
        return Choice(uplink, because, evidence)


class Policy:
    """Steers the classes: feed it verdicts whenever one changes, take assignments.

    `adopted` is what the kernel's rules already show, traffic class -> uplink (fail static). What it remembers is the
    assignment, each uplink's flaps, how long the service has been idle, and whom a person's choice steers.
    """

    def __init__(self, classes: Classes, settings: config.Policy, *, adopted: Mapping[str, str] = _NONE) -> None:
        self._classes = classes
        self._settings = settings
        self._flaps = Flaps(settings)
        self._idle_since: float | None = None
        self._forced: dict[str, str] = {}
        self._lost: set[str] = set()
        self._waits: list[float] = []
        self.assignment = _adopt(adopted)

    def decide(
        self,
        verdicts: Mapping[str, Verdict],
        *,
        service_hours: bool,
        service_idle: bool = False,
        preferred: Mapping[str, str] = _NONE,
        now: float,
    ) -> Assignment:
        """The assignment from now on; `now` is monotonic like `Verdict.since`.

        Call it whenever an argument changes and at `again_at`. `service_idle`: the desk sends and receives nothing
        worth a pause. `preferred` is what a person chose, traffic class -> uplink; an uplink that the class may not
        use is passed over.
        """
        seen = _Situation(verdicts, service_hours, preferred, now)
        if not service_idle:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        for uplink, verdict in verdicts.items():
            self._flaps.stands(uplink, well=standing(verdict) == "up", since=verdict.since)
        self._waits = []
        self.assignment = Assignment(*(self._choose(name, getattr(self._classes, name), seen) for name in CLASSES))
        self._forced = {name: uplink for name, uplink in preferred.items() if name in CLASSES}
        return self.assignment

    def again_at(self, *, now: float) -> float | None:
        """When to decide again though nothing changes: the end of the next hold or pause, or None."""
        return min((until for until in self._waits if until > now), default=None)

    def _choose(self, name: str, traffic: TrafficClass, seen: _Situation) -> Choice:
        before = self.assignment[name]
        current = before.uplink if before.uplink in traffic.uplinks else None
        by_hand = self._by_hand(name, traffic, current, seen)
        if by_hand is not None:
            return by_hand
        if current is None:
            first = min(traffic.uplinks, key=seen.known_ill)
            return seen.choice(first, seen.said(first))
        best = min(traffic.uplinks, key=seen.rank)
        if seen.standing(current) == "down":
            if seen.standing(best) == "down":
                return seen.choice(current, f"all its uplinks are down; it stays on {current}")
            return self._leave(current, best, seen)
        if self._leaves(name, current, seen):
            for uplink in traffic.uplinks:
                if seen.standing(uplink) == "up" and self._calm(uplink, seen):
                    return self._leave(current, uplink, seen)
        return self._back(name, traffic, current, seen) or self._stay(name, traffic, current, seen)

    def _by_hand(self, name: str, traffic: TrafficClass, current: str | None, seen: _Situation) -> Choice | None:
        """The person's choice while it holds. Once it was lost it must be up, and have sat out its flaps, to return."""
        uplink = seen.preferred.get(name)
        if uplink not in traffic.uplinks:
            return None
        if self._forced.get(name) != uplink:
            self._lost.discard(name)
        if seen.standing(uplink) == "down":
            self._lost.add(name)
            return None
        returns = name in self._lost and current != uplink
        if returns and not (seen.standing(uplink) == "up" and self._calm(uplink, seen)):
            return None
        self._lost.discard(name)
        return seen.choice(uplink, f"chosen by hand; {seen.said(uplink)}")

    def _leaves(self, name: str, current: str, seen: _Situation) -> bool:
        """Whether the class leaves its uplink for being degraded."""
        if name not in _SENSITIVE or seen.standing(current) != "degraded":
            return False
        moves = self._settings.brownout_moves
        return moves == "always" or (moves == "service-hours" and seen.service_hours)

    def _leave(self, current: str, uplink: str, seen: _Situation) -> Choice:
        self._flaps.left(current)
        return seen.choice(uplink, f"{seen.said(current)}; {seen.said(uplink)}", current)

    def _back(self, name: str, traffic: TrafficClass, current: str, seen: _Situation) -> Choice | None:
        """The uplink before the current one in the class's order that has been well for long enough, if any."""
        for uplink in _before(traffic, current):
            if seen.standing(uplink) != "up":
                continue
            hold_s = self._flaps.hold_s(uplink, at=seen.since(uplink))
            if not self._over(seen.since(uplink) + hold_s, seen):
                continue
            if self._forced.get(name) == current and name not in seen.preferred:
                return seen.choice(uplink, f"the choice by hand has ended; {seen.said(uplink)}")
            if not self._deferred(name, current, seen):
                return seen.choice(uplink, f"back to {uplink}: well for {hold_s:.0f} s")
        return None

    def _deferred(self, name: str, current: str, seen: _Situation) -> bool:
        """Whether going back would disturb the office at work."""
        if not seen.service_hours or self._settings.failback_in_service_hours == "allowed":
            return False
        if name not in _SENSITIVE or seen.standing(current) == "degraded":
            return False
        return self._idle_since is None or not self._over(self._idle_since + self._settings.failback_pause_s, seen)

    def _calm(self, uplink: str, seen: _Situation) -> bool:
        """Whether an uplink that flapped has been up for what it owes, so that two sick ones do not take turns."""
        since = seen.since(uplink)
        return self._over(since + self._flaps.penalty_s(uplink, at=since), seen)

    def _over(self, until: float, seen: _Situation) -> bool:
        if seen.now >= until:
            return True
        self._waits.append(until)
        return False

    def _stay(self, name: str, traffic: TrafficClass, current: str, seen: _Situation) -> Choice:
        state = seen.standing(current)
        if state == "unknown" and self.assignment[name].because == _ADOPTED:
            return self.assignment[name]
        passed = tuple(_before(traffic, current))
        reasons = [self._passed(uplink, seen) for uplink in passed]
        reasons.append(seen.said(current))
        if state == "degraded":
            reasons.append(self._endures(name, traffic, current, seen))
        return seen.choice(current, "; ".join(reasons), *passed)

    def _passed(self, uplink: str, seen: _Situation) -> str:
        """Why the class does not use an uplink that stands before its own."""
        if seen.standing(uplink) != "up":
            return seen.said(uplink)
        since = seen.since(uplink)
        hold_s = self._flaps.hold_s(uplink, at=since)
        if seen.now < since + hold_s:
            return f"{uplink} is up, back to it once it was well for {hold_s:.0f} s"
        return f"{uplink} is up, back to it in a pause of the service or after service hours"

    def _endures(self, name: str, traffic: TrafficClass, current: str, seen: _Situation) -> str:
        """Why the class bears a degraded uplink."""
        if not self._leaves(name, current, seen):
            if name not in _SENSITIVE:
                return "guests stay on a degraded uplink"
            if self._settings.brownout_moves == "never":
                return "brownout_moves is never"
            return "outside service hours it is only reported"
        well = [uplink for uplink in traffic.uplinks if seen.standing(uplink) == "up"]
        return f"{well[0]} was unsteady and must be well for longer" if well else "no other uplink is better"


def _before(traffic: TrafficClass, current: str) -> Iterator[str]:
    """The uplinks that stand before the current one in the class's order."""
    for uplink in traffic.uplinks:
        if uplink == current:
            return
        yield uplink
