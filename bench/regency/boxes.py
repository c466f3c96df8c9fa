"""Many villages' queue rooms in one process, each with its own store, sink and forwarder.

`python -m bench.regency.boxes` takes a JSON line: ``{"sink", "url", "ca", "user", "key", "template", "home",
"villages", "requests", "events", "within_s"}``. It builds the stores and says ``built``; at the line ``go`` all
begin, and when the last row is delivered it prints what that took, as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.queue_peers.load import resident_kib
from bench.regency import stores
from edge.clock import SystemClock
from edge.config import Upstream
from edge.events import Event, Forwarded
from edge.health import Health
from edge.queue.forwarder import Forwarder
from edge.queue.request import Request
from edge.queue.sink import KINDS, Change
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests

_LOOK_S = 1.0
_OPEN = "('pending', 'waiting', 'held', 'leased', 'confirming')"


def ignore(_conn: sqlite3.Connection, _request: Request, _change: Change) -> None:
    """No SMS here."""


class Box:
    """One village; `results` counts what became of each try."""

    def __init__(self, order: dict[str, Any], code: str) -> None:
        self._path = Path(order["home"]) / f"{code}.db"
        self._order, self._code = order, code
        self.results: Counter[str] = Counter()
        self.took_s = 0.0

    def build(self) -> None:
        """Fill its store."""
        order = self._order
        template = Path(order["template"])
        stores.fill(self._path, template, int(self._code), requests=order["requests"], events=order["events"])

    async def open(self) -> None:
        """Open its store; nothing goes out yet."""
        self._store: Store = await stores.open_store(self._path)
        order = self._order
        user = self._code if order["user"] else ""
        settings = Upstream(url=order["url"], sink=order["sink"], ca_file=order["ca"], user=user)
        sink = KINDS[settings.sink]()(settings, code=self._code, key=order["key"].replace("CODE", self._code))
        clock = SystemClock()
        self._forwarder = Forwarder(
            *(self._store, Requests(stores.SEAL), sink, settings),
            clock=clock,
            announce=self._count,
            health=Health(clock.wall),
            on_change=ignore,
        )

    def _count(self, event: Event) -> None:
        if isinstance(event, Forwarded):
            self.results[event.result] += 1

    async def run(self) -> None:
        """Forward until nothing is left, or the time is over."""
        begun = time.monotonic()
        task = asyncio.create_task(self._forwarder.run())
        while await self._store.read(_left) and time.monotonic() < begun + self._order["within_s"]:
            if task.done():
                raise RuntimeError(f"the forwarder of {self._code} ended") from task.exception()
            await asyncio.sleep(_LOOK_S)
        self.took_s = time.monotonic() - begun
        task.cancel()
        await asyncio.wait({task})
        given_up = await self._store.read(
            lambda conn: conn.execute("SELECT count(*) FROM outbox WHERE state <> 'delivered'").fetchone()[0]
        )
        self.results["given_up"] += int(given_up)
        await self._store.close()


def _left(conn: sqlite3.Connection) -> bool:
    return conn.execute(f"SELECT 1 FROM outbox WHERE state IN {_OPEN} LIMIT 1").fetchone() is not None


async def work(order: dict[str, Any]) -> dict[str, Any]:
    """All of it."""
    boxes = [Box(order, code) for code in order["villages"]]
    for box in boxes:
        box.build()
    for box in boxes:
        await box.open()
    print("built", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(box.run() for box in boxes))
    results = sum((box.results for box in boxes), Counter[str]())
    return {"took_s": [box.took_s for box in boxes], "results": results, "most_kib": resident_kib(most=True)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(json.loads(sys.stdin.readline())))), flush=True)
