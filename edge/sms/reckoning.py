"""What the last hour and day are by the box's clock and by what is known of how it was set."""

from __future__ import annotations

import logging
import sqlite3

from edge.clock import Clock
from edge.queue.store import modems
from edge.queue.store.database import Store, StoreError
from edge.queue.store.windows import Recent
from edge.sms.recent import Steps

log = logging.getLogger("edge.sms")

_BOX, _KEPT = "", "clock_steps"


class Reckoning:
    """Follows `clock`; a step of it is remembered in `store`, where every other one that starts later finds it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._steps: Steps | None = None

    async def recent(self) -> Recent:
        """The stamps of the last hour and day. Raises `StoreError` while what is known cannot be read."""
        if self._steps is None:
            kept, newest = await self._store.read(
                lambda conn: (modems.recall(conn, _BOX, _KEPT), modems.newest_stamp(conn))
            )
            self._steps = Steps(kept, newest=newest)
        clock = self._clock
        if self._steps.look(wall=clock.wall(), monotonic=clock.monotonic(), trusted=clock.trusted()):
            await self._keep(self._steps.dump())
        return self._steps.recent(wall=clock.wall(), monotonic=clock.monotonic())

    async def _keep(self, steps: str) -> None:
        now = self._clock.wall()

        def work(conn: sqlite3.Connection) -> None:
            modems.remember(conn, _BOX, _KEPT, steps, now=now)

        try:
            await self._store.write(work, draining=True)
        except StoreError as refused:
            log.debug("how the clock was set is not remembered: %s", refused)
