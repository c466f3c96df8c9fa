"""Pure: which remedy a modem that fails deserves next, from the mildest to the hardest.

A rung is tried a few times, each within a budget of time, then comes the next one. After the last the ladder rests on
its first rung, which harms nothing, for a time that grows from round to round; then it climbs again. So a modem that
comes back by itself is found at any moment, one that needs a reset gets it, and the ladder never gives up.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

Rung = Literal["", "resync", "reopen", "cfun", "model-reset", "usb-reset", "power"]

STABLE_S = 300.0
"""A modem that fails again sooner continues where it stood: otherwise one that hangs every minute is never reset."""
REST_S, LONGEST_REST_S = 60.0, 900.0


@dataclass(frozen=True, slots=True)
class _Remedy:
    rung: Rung
    tries: int
    wait_s: float
    budget_s: float


_REMEDIES = (
    _Remedy("resync", 1, 0.0, 10.0),
    _Remedy("reopen", 2, 1.0, 10.0),
    _Remedy("cfun", 1, 1.0, 45.0),
    _Remedy("model-reset", 1, 1.0, 60.0),
    _Remedy("usb-reset", 1, 1.0, 45.0),
    _Remedy("power", 1, 1.0, 90.0),
)
_ALWAYS = frozenset[Rung]({"resync", "reopen"})


@dataclass(frozen=True, slots=True)
class Climb:
    """What to do: wait `wait_s`, perform `rung`, and call it failed when no survey went well within `budget_s`.

    "resync" is a new session on the port as it is; "reopen" closes the port before; "cfun" and "model-reset" are
    performed by the session itself (its argument `reset`); "usb-reset" and "power" by the shell, which then opens.
    """

    rung: Rung
    wait_s: float
    budget_s: float


class Ladder:
    """One modem's ladder; times are seconds in `now`'s scale.

    `abilities` are the rungs that this modem and this box have ("resync" and "reopen" are always there); it may be set
    anew once the model is known. `rung` is "" while the modem works, `since` the moment that began or ended that.
    """

    def __init__(self, abilities: Set[Rung] = frozenset(), *, now: float) -> None:
        self.abilities = frozenset(abilities)
        self.rung: Rung = ""
        self.reason = ""
        self.since = now
        self._start_over()
        self._worked_at = now

    def failed(self, reason: str, *, now: float, gone: bool = False) -> Climb:
        """The modem, or the rung that was tried, failed for `reason`; with `gone` the device itself is absent."""
        if not self.rung:
            self.since = now
            if now - self._worked_at >= STABLE_S:
                self._start_over()
        remedy = self._next(gone)
        self.rung, self.reason = remedy.rung, reason
        return Climb(remedy.rung, remedy.wait_s, self._rest_s() if remedy.rung == "resync" else remedy.budget_s)

    def worked(self, *, now: float) -> None:
        """A survey went well; how far the ladder was climbed is forgotten only after `STABLE_S` of that."""
        if self.rung:
            self.rung, self.reason, self.since, self._worked_at = "", "", now, now

    def round_s(self) -> float:
        """The longest that a modem which only a certain rung cures waits for it once the rests have grown full."""
        remedies = (remedy for remedy in _REMEDIES if self._has(remedy.rung, gone=False))
        return LONGEST_REST_S + sum(remedy.tries * (remedy.wait_s + remedy.budget_s) for remedy in remedies)

    def _start_over(self) -> None:
        self._place = self._tried = self._round = 0

    def _next(self, gone: bool) -> _Remedy:
        remedy = _REMEDIES[self._place]
        while self._tried >= remedy.tries or not self._has(remedy.rung, gone=gone):
            self._place, self._tried = (self._place + 1) % len(_REMEDIES), 0
            self._round += self._place == 0
            remedy = _REMEDIES[self._place]
        self._tried += 1
        return remedy

    def _has(self, rung: Rung, *, gone: bool) -> bool:
        if gone:
            return rung == "resync" or (rung == "power" and rung in self.abilities)
        return rung in _ALWAYS or rung in self.abilities

    def _rest_s(self) -> float:
        if not self._round:
            return _REMEDIES[0].budget_s
        return min(LONGEST_REST_S, REST_S * 2.0 ** min(self._round - 1, 10))
