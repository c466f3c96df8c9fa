"""Whether the upstream knows this installation, and which epoch it gave to it.

A box that was never enrolled sends nothing before its first heartbeat is answered; after that the installation
remembers it, and a restart goes on at once.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3

from edge.queue.sink import Beat
from edge.queue.store import installation
from edge.queue.store.database import Store

log = logging.getLogger("edge.queue.enrolment")

_ENROLLED = "enrolled"


class Enrolment:
    """This installation as the upstream knows it. `done` is set once it does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = installation.Installation("", 0)
        self.done = asyncio.Event()

    @property
    def epoch(self) -> int:
        """The epoch of this installation, 0 where the upstream gave none."""
        return self._known.epoch

    @property
    def installation(self) -> str:
        """The identity of this installation, "" before `load`."""
        return self._known.id

    async def load(self) -> None:
        """Read what is known; the identity is made when there is none."""

        def work(conn: sqlite3.Connection) -> tuple[installation.Installation, bool]:
            return installation.identify(conn), installation.recall(conn, _ENROLLED) is not None

        self._known, enrolled = await self._store.write(work, draining=True)
        if enrolled:
            self.done.set()

    async def take(self, beat: Beat) -> None:
        """The upstream answered a heartbeat."""
        if self.done.is_set() and beat.epoch <= self._known.epoch:
            return
        before = self._known.epoch

        def work(conn: sqlite3.Connection) -> installation.Installation:
            installation.raise_epoch(conn, beat.epoch)
            installation.remember(conn, _ENROLLED, "yes")
            return installation.identify(conn)

        self._known = await self._store.write(work, draining=True)
        log.info("the upstream knows this installation: epoch %d (before: %d)", self._known.epoch, before)
        self.done.set()
