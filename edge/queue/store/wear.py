"""Bytes written to the flash: counted by the kernel for the whole daemon, kept over restarts in the store.

The kernel counts what this process caused to be sent to block devices (proc(5), /proc/PID/io, write_bytes); what the
file system adds for itself (its journal) and what the card makes of it are not in it. Nothing here looks at wall time:
hours are hours of operation.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.queue.store import installation
from edge.queue.store.database import Store
from edge.queue.store.errors import StoreError

log = logging.getLogger("edge.queue.store")

HOUR_S = 3_600.0
_HOURS = 24
_NAME = "written"
_IO = Path("/proc/self/io")


@dataclass(frozen=True, slots=True)
class Written:
    """`total` bytes in all hours of operation that were noted, and the bytes of the last 24 of them, newest last."""

    total: int = 0
    hours: tuple[int, ...] = ()

    @property
    def day(self) -> int:
        """Bytes of the last 24 hours of operation; fewer, while there were fewer."""
        return sum(self.hours)

    def plus(self, hour: int) -> Written:
        """With one hour more."""
        return Written(self.total + hour, (*self.hours, hour)[-_HOURS:])


def recall(conn: sqlite3.Connection) -> Written:
    """What was noted in this store."""
    kept = installation.recall(conn, _NAME)
    if kept is None:
        return Written()
    read = json.loads(kept)
    return Written(int(read["total"]), tuple(int(hour) for hour in read["hours"]))


def remember(conn: sqlite3.Connection, *, written: Written) -> None:
    """Note it in this store."""
    installation.remember(conn, _NAME, json.dumps({"total": written.total, "hours": written.hours}))


def counted(source: Path = _IO) -> int | None:
    """Bytes this process has caused to be written so far; None where the kernel does not tell."""
    try:
        lines = source.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), None)


class Wear:
    """Notes each hour what was written in it; `written` is what is known, the hour that runs included."""

    def __init__(self, store: Store, *, hour_s: float = HOUR_S) -> None:
        self._store, self._hour_s = store, hour_s
        self._noted = Written()
        self._mark = counted()

    @property
    def written(self) -> Written | None:
        """Total and last day up to now; None where the kernel does not tell."""
        now = counted()
        if now is None or self._mark is None:
            return None
        return self._noted.plus(now - self._mark)

    async def run(self) -> None:
        """Note it until cancelled. What the store does not take is noted an hour later."""
        self._noted = await self._store.read(recall)
        while True:
            await asyncio.sleep(self._hour_s)
            now = counted()
            if now is None or self._mark is None:
                return
            noted = self._noted.plus(now - self._mark)
            try:
                await self._store.write(partial(remember, written=noted), draining=True)
            except StoreError as refused:
                log.debug("bytes written are not noted: %s", refused)
                continue
            self._noted, self._mark = noted, now
