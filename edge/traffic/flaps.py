"""Pure: how long a link must be well before traffic goes back to it, which grows with each time it was left in need.

The idea is route flap damping (RFC 2439 section 2.3): every flap adds one to a penalty, time halves what came of it.
"""

from __future__ import annotations

from math import log2

from edge import config


class Flaps:
    """Remembers which uplinks were left in need, and when.

    The hold is ``failback_hold_s`` after the first time, doubled by each further one, at most ``failback_most_s``;
    every ``flap_half_life_s`` without another takes one doubling back.
    """

    def __init__(self, settings: config.Policy) -> None:
        self._base_s = settings.failback_hold_s
        self._most_s = max(settings.failback_hold_s, settings.failback_most_s)
        self._half_life_s = settings.flap_half_life_s
        self._most = 1 + log2(self._most_s / self._base_s) if self._base_s else 1.0
        self._left: dict[str, tuple[float, float]] = {}

    def left(self, uplink: str, *, now: float) -> None:
        """Note that traffic left `uplink` because it was down or degraded."""
        self._left[uplink] = (min(self._count(uplink, now) + 1, self._most), now)

    def hold_s(self, uplink: str, *, at: float) -> float:
        """Seconds that `uplink`, well again since `at`, must stay so before traffic goes back to it."""
        return min(self._base_s * 2 ** max(0.0, self._count(uplink, at) - 1), self._most_s)

    def penalty_s(self, uplink: str, *, at: float) -> float:
        """The part of the hold that is owed to flaps: nought for an uplink left only once."""
        return self.hold_s(uplink, at=at) - self._base_s

    def _count(self, uplink: str, now: float) -> float:
        count, when = self._left.get(uplink, (0.0, now))
        return max(0.0, count - max(0.0, now - when) / self._half_life_s)
