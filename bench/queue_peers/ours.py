"""Our store and outbox under load: each producer is a task that waits until its item is durable."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.queue_peers.load import CONTENT, Until
from edge.config import Store as Settings
from edge.queue.store import files, outbox, outbox_view
from edge.queue.store.database import Store
from edge.queue.store.seal import Seal

SEAL = Seal(bytes(32))
_MBYTE = 8_192
_MOST_WAIT_S = 600.0
_FILL_EACH = 10_000


async def opened(path: Path) -> Store:
    """The store with its default settings, but for its bound."""
    return await Store.open(path, max_mbyte=_MBYTE, group_commit_ms=Settings().group_commit_ms)


def put(conn: sqlite3.Connection, number: int) -> None:
    """Queue one item, in a stream of its own as a new request is."""
    stream = f"{number:016x}-bench-stream"
    outbox.put(conn, SEAL, None, "request", CONTENT, now=time.time(), stream=stream)


def claim(conn: sqlite3.Connection) -> outbox.Row | None:
    """Lease the oldest item."""
    rows = outbox.claim(conn, SEAL, limit=1, now=time.time(), most_wait_s=_MOST_WAIT_S)
    return rows[0] if rows else None


class Load:
    """What producers do with an open store; `number` keeps their streams apart."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = time.time_ns()

    async def run(self, what: str, producers: int, until: Until) -> float:
        """Items a second of `producers` that each do `what` ("put", "cycle" or "claim") over and over."""
        step: Callable[[], Awaitable[object]] = {"put": self._put, "cycle": self._cycle, "claim": self._claim}[what]

        async def produce() -> None:
            while until.more():
                await step()

        async with asyncio.TaskGroup() as group:
            for _ in range(producers):
                group.create_task(produce())
        return until.rate()

    async def _put(self) -> None:
        self._number += 1
        number = self._number
        await self._store.write(lambda conn: put(conn, number))

    async def _claim(self) -> outbox.Row:
        row = await self._store.write(claim, draining=True)
        if row is None:
            raise RuntimeError("there was nothing to claim")
        return row

    async def _cycle(self) -> None:
        await self._put()
        row = await self._claim()
        await self._store.write(lambda conn: outbox.settle(conn, row, "delivered", now=time.time()), draining=True)


def fill(path: Path, rows: int) -> None:
    """Let so many rows wait in the file at `path`."""
    connection = files.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    for first in range(0, rows, _FILL_EACH):
        connection.execute("BEGIN")
        for number in range(first, min(rows, first + _FILL_EACH)):
            put(connection, number)
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def start(path: Path) -> tuple[float, int]:
    """Seconds until an office's store is ready and its first item leased, and how many rows wait then."""
    begun = time.monotonic()
    store = await opened(path)
    await store.write(outbox.free_leases, draining=True)
    backlog = await store.read(outbox_view.backlog)
    await store.write(claim, draining=True)
    took = time.monotonic() - begun
    await store.close()
    return took, backlog.waiting
