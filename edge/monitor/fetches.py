"""When an uplink is fetched from: at rest, now and then, and again soon when it was slow."""

from __future__ import annotations

import asyncio
import secrets

from edge.clock import Clock
from edge.config import Monitor
from edge.monitor.facts import LinkFacts
from edge.monitor.probe import Way

FIRST_WITHIN_S = 60.0
DOUBT_S = 30.0  # a slow fetch is asked for again so soon
IDLE_SHARE = 0.05  # of the contract, either way
IDLE_S = 3.0


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

    @property
    def running(self) -> bool:
        """Whether a fetch runs now."""
        return self._task is not None

    def step(self, facts: LinkFacts | None, *, well: bool, now: float) -> float | None:
        """The Mbit/s of a fetch that has ended since, else None; begins one when it is due and the uplink is `well`."""
        if self._task is not None:
            return self._ended(self._task, now) if self._task.done() else None
        if facts is None or self._busy(facts):
            self._busy_at = now
        if well and self._settings.fetch_url and now >= self._due and now - self._busy_at >= IDLE_S:
            from edge.monitor.fetch import fetch

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
