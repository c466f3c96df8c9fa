"""What the box knows of its contact with the portal, shared by both directions: failures, pauses, a hurry.

A failure makes its direction wait with full jitter; a refused key makes both wait; a recovered uplink ends every wait
and everything that is under way (the portal's contract makes each call repeatable).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import Any, TypeVar

from edge.clock import Clock
from edge.config import Upstream
from edge.health import Health
from edge.queue import retry
from edge.queue.sink import Replaced, Retry, Unauthorised

T = TypeVar("T")
_JITTER = random.SystemRandom()


class Contact:
    """The state of the contact. `last` is the Unix time of the last proper answer, or None."""

    def __init__(self, settings: Upstream, *, clock: Clock, health: Health) -> None:
        self._settings = settings
        self._clock = clock
        self._health = health
        self._failures = {"up": 0, "down": 0}
        self._paused_until = 0.0
        self._hurried: asyncio.Future[None] | None = None
        self.last: float | None = None

    def failing(self, direction: str) -> bool:
        """Whether the last answer in this direction was none."""
        return self._failures[direction] > 0

    def answered(self, direction: str) -> bool:
        """The portal answered as agreed; True when it had failed before."""
        recovered = self.failing(direction)
        self._failures[direction] = 0
        self._paused_until = 0.0
        self.last = self._clock.wall()
        self._health.clear("upstream-unauthorised")
        return recovered

    def well(self, direction: str) -> None:
        """Nothing fails in this direction any more."""
        self._health.clear("upstream-unreachable", subject=direction)

    def failed(self, direction: str, outcome: Retry) -> float:
        """The portal did not answer as agreed: seconds to wait in this direction."""
        self._failures[direction] += 1
        self._health.raise_("upstream-unreachable", outcome.detail, subject=direction)
        return self.delay(self._failures[direction], outcome)

    def refused(self, outcome: Unauthorised | Replaced) -> None:
        """The key was refused: both directions pause, then one careful try at a time."""
        self._paused_until = self._clock.monotonic() + self._settings.retry_most_s * (0.5 + _JITTER.random() / 2)
        self._health.raise_("upstream-unauthorised", outcome.detail)

    def delay(self, attempt: int, outcome: Retry) -> float:
        """Seconds to wait after the `attempt`-th failure."""
        return retry.delay(
            attempt,
            first_s=self._settings.retry_first_s,
            most_s=self._settings.retry_most_s,
            random=_JITTER.random(),
            retry_after_s=outcome.after_s,
        )

    def hurry(self) -> None:
        """End every wait and everything under way: the way to the portal has changed."""
        self._failures = dict.fromkeys(self._failures, 0)
        self._paused_until = 0.0
        if self._hurried is not None and not self._hurried.done():
            self._hurried.set_result(None)
        self._hurried = None

    async def unpaused(self) -> None:
        """Wait while the key is refused."""
        while (left := self._paused_until - self._clock.monotonic()) > 0:
            await self.rest(left)

    async def rest(self, seconds: float, event: asyncio.Event | None = None) -> None:
        """Wait `seconds`, or until `event` is set, or until a hurry."""
        await self.unless_hurried(_wait(seconds, event))

    async def unless_hurried(self, work: Awaitable[T]) -> T | None:
        """The result of `work`, or None when a hurry ended it first."""
        if self._hurried is None:
            self._hurried = asyncio.get_running_loop().create_future()
        hurried = self._hurried
        task = asyncio.ensure_future(work)
        either: set[asyncio.Future[Any]] = {task, hurried}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            return None
        result = task.result()
        # What ended together with the old connections says nothing of the new ones; every call may be repeated.
        return None if hurried.done() else result


async def _wait(seconds: float, event: asyncio.Event | None) -> None:
    if event is None:
        await asyncio.sleep(seconds)
        return
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
