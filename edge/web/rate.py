"""How often somebody may call: a token bucket for each caller. Pure."""

from __future__ import annotations

_MOST_CALLERS = 1_024


class Rate:
    """`per_s` calls a second for each caller, `burst` of them at once; at most 1,024 callers are remembered."""

    def __init__(self, *, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._full_at: dict[str, float] = {}

    def take(self, caller: str, *, now: float, cost: float = 1.0) -> float:
        """Count a call that costs `cost`; 0 when it may pass, else the seconds to wait (then it is not counted).

        A caller is remembered by the time at which its bucket will be full again: whoever is not known has a full one.
        """
        full_at = max(now, self._full_at.get(caller, now)) + cost / self._per_s
        too_much = full_at - now - self._burst / self._per_s
        if too_much > 1e-9:
            return too_much
        self._full_at.pop(caller, None)
        self._full_at[caller] = full_at
        if len(self._full_at) > _MOST_CALLERS:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Forget who waits for nothing; if all do, whoever called longest ago."""
        self._full_at = {caller: at for caller, at in self._full_at.items() if at > now}
        if len(self._full_at) > _MOST_CALLERS:
            del self._full_at[next(iter(self._full_at))]
