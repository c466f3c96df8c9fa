"""The queue room alone, as a process that may be killed: files a desk request under a key and forwards it.

`python -m tests.crash.store_box DATABASE URL CA KEY`; ``KAMPUNG_EDGE_KILL_AT`` says where it dies. It prints
``accepted ID`` once the request is durable, ``state STATE`` at each change, and ends when it is completed and nothing
waits any more.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

from edge.clock import SystemClock
from edge.config import Upstream, Village
from edge.health import Health
from edge.queue.desk import Desk, NewRequest
from edge.queue.forwarder import Forwarder
from edge.queue.request import Request
from edge.queue.sink import Change
from edge.queue.sinks.https import HttpsSink
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms import letters

VILLAGE = Village(code="3510052001", name="Sumberberas", district="Muncar")
NEW = NewRequest(letter="SKCK", nik="3510152306089909", name="SITI AMINAH")


def note(conn: sqlite3.Connection, request: Request, change: Change) -> None:
    """In an SMS's place: one row for each change that is applied."""
    conn.execute("INSERT INTO audit (kind, subject, detail, at) VALUES ('sms', ?, ?, 0)", (request.id, change.state))


def _unsettled(conn: sqlite3.Connection) -> bool:
    (count,) = conn.execute("SELECT count(*) FROM outbox WHERE state != 'delivered'").fetchone()
    return bool(count)


async def main(database: str, url: str, ca_file: str, key: str) -> None:
    clock = SystemClock()
    settings = Upstream(
        url=url, ca_file=ca_file, connect_timeout_s=1, read_timeout_s=5, retry_first_s=0.05, retry_most_s=0.2
    )
    store = await Store.open(Path(database), max_mbyte=16, group_commit_ms=2)
    requests = Requests(Seal(bytes(32)))
    forwarder = Forwarder(
        *(store, requests, HttpsSink(settings, code=VILLAGE.code, key="portal-key"), settings),
        clock=clock,
        announce=lambda _event: None,
        health=Health(clock.wall),
        on_change=note,
    )
    task = asyncio.create_task(forwarder.run())
    desk = Desk(store, requests, missing=letters.missing, clock=clock, announce=lambda _event: None)
    request = (await desk.submit(NEW, idempotency_key=key)).request
    print(f"accepted {request.id}", flush=True)
    told = ""
    while told != "completed" or await store.read(_unsettled):  # the end may be told before the PUT is settled
        found = await desk.get(request.id)
        assert found is not None
        if found.state != told:
            told = found.state
            print(f"state {told}", flush=True)
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
