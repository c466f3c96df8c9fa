"""Pure: how much of an uplink the guests may take now.

While the service is idle they may have what their class allows. While it is active they leave room: packets that wait
at the provider are out of our hands, and only guests who keep away from the last part of the link keep that queue
empty. So the service's pages stay fast, and nothing of the link is lost when nobody works.
"""

from __future__ import annotations

ACTIVE_BYTES_S = 4_000  # less than a person at a web form causes, more than an idle machine's chatter
HOLD_S = 10.0  # a person reads between two clicks


class Activity:
    """Whether the service is active, judged from the bytes its devices have carried."""

    def __init__(self) -> None:
        self._before: tuple[int, float] | None = None
        self._active_until: float | None = None

    def active(self, carried: int, *, now: float) -> bool:
        """Take the counter's value at `now` (monotonic seconds); True while the service is active and `HOLD_S` after.

        A counter that went back (a device came up again) says nothing and is only remembered.
        """
        before, self._before = self._before, (carried, now)
        if before is not None and now > before[1]:
            rate = (carried - before[0]) / (now - before[1])
            if rate >= ACTIVE_BYTES_S:
                self._active_until = now + HOLD_S
        return self._active_until is not None and now < self._active_until


def guest_ceiling(ceiling_percent: float, busy_ceiling_percent: float, *, service_active: bool) -> float:
    """The guests' ceiling, in percent of what is shaped."""
    return min(ceiling_percent, busy_ceiling_percent) if service_active else ceiling_percent
