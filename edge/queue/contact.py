"""What the box knows of its contact with the upstream, shared by all that speak to it: failures, pauses, a hurry.

A failure makes its direction wait with full jitter, upwards by a breaker for each uplink, since what one uplink lost
says nothing of another. While the last try upwards failed, one careful try is made at a time. A refused key makes
everybody wait; a recovered uplink ends every wait and everything under way (the contract makes each call repeatable).
All waits are by monotonic time: a clock that jumps moves none of them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from edge.clock import Clock
from edge.config import Upstream
from edge.health import Health
from edge.queue import retry
from edge.queue.breaker import OPENS_AT, Breaker, State
from edge.queue.sink import Replaced, Retry, Unauthorised

T = TypeVar("T")
Direction = Literal["up", "down"]
_JITTER = random.SystemRandom()
_SPREAD_MOST_S = 5.0
_SPREAD_EACH_S = 0.02
_BREAKERS_MOST = 16


@dataclass(frozen=True, slots=True)
class Way:
    """How the upstream is reached now: by which uplink (None: by none, or nobody knows), and whether that is well."""

    uplink: str | None = None
    well: bool = True


class Contact:
    """The state of the contact. `last` is the Unix time of the last proper answer, or None; `refusal` why we pause."""

    def __init__(self, settings: Upstream, *, clock: Clock, health: Health, way: Callable[[], Way] = Way) -> None:
        self._settings = settings
        self._clock = clock
        self._health = health
        self._way = way
        self._breakers: dict[str | None, Breaker] = {}
        self._down = 0
        self._refused = False
        self._ours = asyncio.Event()
        self._ours.set()
        self._paused_until = 0.0
        self._hurried: asyncio.Future[None] | None = None
        self._sooner = asyncio.Event()
        self._single = asyncio.Lock()
        self.last: float | None = None
        self.refusal = ""

    @property
    def way(self) -> Way:
        """The way of now."""
        return self._way()

    @property
    def breaker(self) -> Breaker:
        """The breaker of the way of now."""
        uplink = self._way().uplink
        if uplink not in self._breakers and len(self._breakers) >= _BREAKERS_MOST:
            self._breakers.clear()
        return self._breakers.setdefault(uplink, Breaker())

    @property
    def state(self) -> State:
        """The state of that breaker."""
        return self.breaker.state(now=self._clock.monotonic())

    @property
    def careful(self) -> bool:
        """Whether one thing at a time is to be tried: the last try failed, or the key was refused."""
        return self._refused or self.breaker.failures > 0

    def failing(self, direction: Direction) -> bool:
        """Whether the last answer in this direction was none."""
        return (self.breaker.failures if direction == "up" else self._down) > 0

    def answered(self, direction: Direction) -> bool:
        """The upstream answered as agreed; True when it had failed before."""
        recovered = self.failing(direction) or self._refused
        if direction == "up":
            self.breaker.answered()
        else:
            self._down = 0
            if recovered:
                self.hasten()
        self._refused = False
        self._paused_until = 0.0
        self.last = self._clock.wall()
        if self._ours.is_set():
            self.refusal = ""
        self._health.clear("upstream-unauthorised")
        return recovered

    def enrolled(self) -> None:
        """A heartbeat was answered: this installation speaks for its village."""
        if not self._ours.is_set():
            self.refusal = ""
        self._ours.set()
        self._health.clear("installation-replaced")

    def well(self, direction: Direction) -> None:
        """Nothing fails in this direction any more."""
        self._health.clear("upstream-unreachable", subject=direction)

    def failed(self, direction: Direction, outcome: Retry) -> float:
        """The upstream did not answer as agreed: seconds to wait in this direction.

        A single failure is told to nobody: a thin line has many.
        """
        if direction == "down":
            self._down += 1
            failures, wait_s = self._down, self.delay(self._down, outcome)
        else:
            breaker = self.breaker
            wait_s = self.delay(breaker.failures + 1, outcome)
            breaker.failed(now=self._clock.monotonic(), wait_s=wait_s)
            failures = breaker.failures
        if failures >= OPENS_AT:
            self._health.raise_("upstream-unreachable", outcome.detail, subject=direction)
        return wait_s

    def refused(self, outcome: Unauthorised | Replaced) -> None:
        """We were refused ourselves: both directions pause, then one careful try at a time.

        Once replaced nothing but a heartbeat is tried: what comes down is for the successor.
        """
        self._refused, self.refusal = True, outcome.detail
        if isinstance(outcome, Replaced):
            self._ours.clear()
        self._paused_until = self._clock.monotonic() + self._settings.retry_most_s * (0.5 + _JITTER.random() / 2)
        code = "installation-replaced" if isinstance(outcome, Replaced) else "upstream-unauthorised"
        self._health.raise_(code, outcome.detail)

    def delay(self, attempt: int, outcome: Retry) -> float:
        """Seconds to wait after the `attempt`-th failure."""
        return retry.delay(
            attempt,
            first_s=self._settings.retry_first_s,
            most_s=self._settings.retry_most_s,
            random=_JITTER.random(),
            retry_after_s=outcome.after_s,
        )

    def hasten(self) -> None:
        """There is something new, or a sign of life: an open breaker may be tried soon."""
        self.breaker.hasten(now=self._clock.monotonic())
        self._sooner.set()

    def hurry(self, waiting: int = 0) -> None:
        """End every wait and everything under way: the way to the upstream has changed.

        217 boxes may hear of it at once: with `waiting` rows the next call comes within 20 ms for each, 5 s at most.
        """
        self.breaker.answered()
        self._down = 0
        spread_s = _JITTER.random() * min(_SPREAD_MOST_S, waiting * _SPREAD_EACH_S)
        self._paused_until = self._clock.monotonic() + spread_s
        if self._hurried is not None and not self._hurried.done():
            self._hurried.set_result(None)
        self._hurried = None

    @asynccontextmanager
    async def turn(self, *, beat: bool = False) -> AsyncIterator[bool]:
        """Wait until something may go up, and have it go; True when it must be one thing, tried carefully."""
        while True:
            await self.unpaused(beat=beat)
            if not self.careful:
                yield False
                return
            async with self._single:
                if await self._ready(beat=beat):
                    yield True
                    return

    async def _ready(self, *, beat: bool) -> bool:
        """Wait for the breaker; False when care is needed no longer."""
        while self.careful:
            await self.unpaused(beat=beat)
            self._sooner.clear()
            left_s = self.breaker.left_s(now=self._clock.monotonic())
            if left_s <= 0:
                return True
            await self.rest(left_s, self._sooner)
        return False

    async def unpaused(self, *, beat: bool = False) -> None:
        """Wait while we are refused, or for our place among all that recover; all but a `beat` while replaced."""
        while (left := self._paused_until - self._clock.monotonic()) > 0 or not (beat or self._ours.is_set()):
            await (self.rest(left) if left > 0 else self._ours.wait())

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
