"""A timed fetch: how fast an idle uplink is now, since pings do not see a rate that collapsed."""

from __future__ import annotations

import asyncio
import ssl

from edge.clock import Clock
from edge.monitor.probe import NoDevice, NoPrivilege, Way
from edge.monitor.probes.http_client import UnresolvedError, get
from edge.monitor.probes.http_message import MalformedError, Response, read_url

MOST_BYTES = 1_048_576
LEAST_BYTES = 65_536  # a smaller file has ended before TCP is up to speed
LIMIT_S = 20.0
LONG_S = 1.0


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
