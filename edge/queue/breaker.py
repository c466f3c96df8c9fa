"""A circuit breaker: whether one way to the upstream may be tried now. Pure.

closed: everything may go. After `OPENS_AT` failures in a row it is open: nothing goes until its wait is over. Then it
is half-open: one careful try decides between the two (Nygard, Release It!, 2nd edition, chapter 5). The waits are the
caller's (`edge.queue.retry`); times are monotonic seconds.
"""

from __future__ import annotations

from typing import Literal

State = Literal["closed", "open", "half-open"]

OPENS_AT = 3
HASTE_GAP_S = 5.0


class Breaker:
    """The failures of one way, in a row. `failures` below `OPENS_AT` wait too, but say nothing of the way yet."""

    def __init__(self) -> None:
        self.failures = 0
        self._until = 0.0
        self._failed_at = float("-inf")

    def state(self, *, now: float) -> State:
        """Closed, open or half-open."""
        if self.failures < OPENS_AT:
            return "closed"
        return "half-open" if self.left_s(now=now) == 0 else "open"

    def left_s(self, *, now: float) -> float:
        """Seconds until it may be tried again, 0 for now."""
        return max(0.0, self._until - now) if self.failures else 0.0

    def failed(self, *, now: float, wait_s: float) -> None:
        """A try failed; the next one comes after `wait_s`."""
        self.failures += 1
        self._failed_at = now
        self._until = now + wait_s

    def answered(self) -> None:
        """A try was answered as agreed, or the way changed: begin anew."""
        self.failures = 0

    def hasten(self, *, now: float) -> None:
        """There is a reason to try sooner; yet no sooner than `HASTE_GAP_S` after the last failure."""
        self._until = min(self._until, max(now, self._failed_at + HASTE_GAP_S))
