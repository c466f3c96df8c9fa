"""Pure: how long a link must be well before traffic goes back to it, which grows with each of its flaps.

The idea is route flap damping (RFC 2439 section 2.3): every flap adds one to a penalty, time halves what came of it.
Only time in which the link is well does: ill for half an hour between two flaps it has earned nothing (RFC 2439
section 4.2 has a decay of its own for such time).
"""

from __future__ import annotations

from math import log2

from edge import config


class Flaps:
    """Remembers which uplinks were left in need, or fell ill again before they had sat out their hold.

    The hold is ``failback_hold_s`` after the first time, doubled by each further one, at most ``failback_most_s``;
    every ``flap_half_life_s`` of being well takes one doubling back. Tell it by `stands` how each uplink is before
    anything else.
    """

    def __init__(self, settings: config.Policy) -> None:
        self._base_s = settings.failback_hold_s
        self._most_s = max(settings.failback_hold_s, settings.failback_most_s)
        self._half_life_s = settings.flap_half_life_s
        self._most = 1 + log2(self._most_s / self._base_s) if self._base_s else 1.0
        self._penalties: dict[str, tuple[float, float | None]] = {}  # and since when it falls, None while ill
        self._counted: set[str] = set()

    def stands(self, uplink: str, *, well: bool, since: float) -> None:
        """Note that `uplink` is well, or is not, since then."""
        penalty, falls_from = self._penalties.get(uplink, (0.0, None))
        if well:
            self._counted.discard(uplink)
            if falls_from is None:
                self._penalties[uplink] = penalty, since
        elif falls_from is not None:
            relapse = penalty > 0 and since < falls_from + self.hold_s(uplink, at=falls_from)
            self._penalties[uplink] = self._penalty(uplink, since), None
            if relapse:
                self._count(uplink)

    def left(self, uplink: str) -> None:
        """Note that traffic left `uplink` because it is down or degraded."""
        self._count(uplink)

    def hold_s(self, uplink: str, *, at: float) -> float:
        """Seconds that `uplink`, well again since `at`, must stay so before traffic goes back to it."""
        return min(self._base_s * 2 ** max(0.0, self._penalty(uplink, at) - 1), self._most_s)

    def penalty_s(self, uplink: str, *, at: float) -> float:
        """The part of the hold that is owed to flaps: nought for an uplink left only once."""
        return self.hold_s(uplink, at=at) - self._base_s

    def _count(self, uplink: str) -> None:
        """Count one illness once."""
        if uplink not in self._counted:
            self._counted.add(uplink)
            penalty, _ = self._penalties.get(uplink, (0.0, None))
            self._penalties[uplink] = min(penalty + 1, self._most), None

    def _penalty(self, uplink: str, at: float) -> float:
        penalty, falls_from = self._penalties.get(uplink, (0.0, None))
        return penalty if falls_from is None else max(0.0, penalty - max(0.0, at - falls_from) / self._half_life_s)
