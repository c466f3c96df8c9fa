"""A timed fetch: how fast an idle uplink is now, since pings do not see a rate that collapsed."""

from __future__ import annotations

import asyncio
import secrets
import ssl

from edge.clock import Clock
from edge.config import Monitor
from edge.monitor.facts import LinkFacts
from edge.monitor.probe import NoDevice, NoPrivilege, Way
from edge.monitor.probes.http_client import UnresolvedError, get
from edge.monitor.probes.http_message import MalformedError, Response, read_url

MOST_BYTES = 1_048_576
LEAST_BYTES = 65_536  # a smaller file has ended before TCP is up to speed
LIMIT_S = 20.0
LONG_S = 1.0
FIRST_WITHIN_S = 60.0
DOUBT_S = 30.0  # a slow fetch is asked for again so soon
IDLE_SHARE = 0.05  # of the contract, either way
IDLE_S = 3.0


class Stopwatch:
    """Notes how much had come at which moment, and tells the rate.

    Of a fetch that ended soon the second half counts: the first is slow start. A long one outlasts that, and counts
    whole, since a retransmission may hold back half of it and let it arrive at once.
    """

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []

    def note(self, length: int, *, now: float) -> None:
        """`length` bytes have come by `now` (s); at most one mark a piece of 16 kB."""
        self._marks.append((now, length))

    def mbit(self, *, now: float) -> float | None:
        """Mbit/s until `now`; None when too little came to say."""
        if not self._marks or self._marks[-1][1] < LEAST_BYTES:
            return None
        total = self._marks[-1][1]
        begun, before = next(mark for mark in self._marks if mark[1] * 2 >= total)
        if before == total or now - self._marks[0][0] >= LONG_S:
            begun, before = self._marks[0]
        seconds = now - begun
        return (total - before) * 8 / 1e6 / seconds if seconds > 0 and total > before else None


async def fetch(way: Way, url: str, *, clock: Clock) -> float | None:
    """Fetch `url` by `way`, at most 1 MB in 20 s; the rate in Mbit/s, or None when it cannot be told.

    A fetch that began and did not end in time tells the rate of what came. One that failed tells nothing: whether the
    uplink is alive is not its business.
    """
    response, stopwatch = Response(keep=0), Stopwatch()

    def arrived() -> None:
        stopwatch.note(response.length, now=clock.monotonic())

    began = clock.monotonic()
    try:
        async with asyncio.timeout(LIMIT_S):
            await get(way, read_url(url), response, most=MOST_BYTES, arrived=arrived)
    except TimeoutError:
        if response.status == 200 and response.length:
            return response.length * 8 / 1e6 / (clock.monotonic() - began)
        return None
    except (NoDevice, NoPrivilege, UnresolvedError, MalformedError, ssl.SSLError, OSError):
        return None
    return stopwatch.mbit(now=clock.monotonic()) if response.status == 200 else None


class Fetches:
    """Fetches `settings.fetch_url` now and then, at a time of its own, while the uplink carries next to nothing.

    `contract_mbit` is what comes down and goes up by contract.
    """

    def __init__(self, way: Way, settings: Monitor, contract_mbit: tuple[float, float], *, clock: Clock) -> None:
        self._way = way
        self._settings = settings
        self._contract_mbit = contract_mbit
        self._clock = clock
        now = clock.monotonic()
        self._due = now + FIRST_WITHIN_S * _random()
        self._busy_at = now
        self._task: asyncio.Task[float | None] | None = None

    def step(self, facts: LinkFacts | None, *, well: bool, now: float) -> float | None:
        """The Mbit/s of a fetch that has ended since, else None; begins one when it is due and the uplink is `well`."""
        if self._task is not None:
            return self._ended(self._task, now) if self._task.done() else None
        if facts is None or self._busy(facts):
            self._busy_at = now
        if well and self._settings.fetch_url and now >= self._due and now - self._busy_at >= IDLE_S:
            work = fetch(self._way, self._settings.fetch_url, clock=self._clock)
            self._task = asyncio.get_running_loop().create_task(work, name=f"fetch by {self._way.device}")
        return None

    def stop(self) -> None:
        """Give up a fetch that runs."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _busy(self, facts: LinkFacts) -> bool:
        down, up = self._contract_mbit
        carried = (facts.received_bytes * 8e-6 / facts.seconds, facts.sent_bytes * 8e-6 / facts.seconds)
        return carried[0] > IDLE_SHARE * down or carried[1] > IDLE_SHARE * up

    def _ended(self, task: asyncio.Task[float | None], now: float) -> float | None:
        self._task = None
        mbit = task.result()
        every = self._settings.fetch_every_s * (0.9 + 0.2 * _random())  # 217 boxes must not ask in step
        slow = mbit is not None and mbit < self._contract_mbit[0] * self._settings.slow_percent / 100
        self._due = now + (min(DOUBT_S, every) if slow else every)
        return mbit


def _random() -> float:
    return secrets.randbelow(1_000) / 1_000
