"""Simulated boxes for the trial: real stores, real forwarders and the real NATS sink, without uplinks and modems.

boxes.py DIRECTORY URL REQUESTS CODE...      keys in DIRECTORY/keys; waits until one request of each is completed

The first village's key is also used by somebody who sends nonsense: the consumer must not stumble over it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from pathlib import Path

import nats

from edge.clock import SystemClock
from edge.config import Upstream
from edge.health import Health
from edge.queue.desk import Desk, NewRequest
from edge.queue.forwarder import Forwarder
from edge.queue.request import Request
from edge.queue.sink import Change
from edge.queue.sinks.nats import NatsSink
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms import letters

_WITHIN_S = 60


async def main(directory: Path, url: str, requests: int, codes: list[str]) -> None:
    """Run the boxes side by side."""
    await send_nonsense(directory, url, codes[0])
    async with asyncio.TaskGroup() as group:
        for code in codes:
            group.create_task(box(directory, url, requests, code))


async def send_nonsense(directory: Path, url: str, code: str) -> None:
    """What no box says, under a good key: no JSON, a number too large, half a character, another village's name."""
    key = (await asyncio.to_thread((directory / "keys" / f"{code}.seed").read_text)).strip()
    client = await nats.connect(url, nkeys_seed_str=key, inbox_prefix=f"_INBOX.{code}")
    event = {"id": "n1", "source": f"kampung/{code}", "type": "x", "epoch": 1, "seq": 1, "data": {}}
    for said in ({"seq": 1 << 70}, {"id": "\ud800"}, {"data": {"a": "\0"}}, {"source": "kampung/0"}, {"time": "noon"}):
        await client.jetstream().publish(f"kampung.{code}.events", json.dumps({**event, **said}).encode())
    await client.jetstream().publish(f"kampung.{code}.events", b"\xff no event")
    await client.close()


async def box(directory: Path, url: str, number: int, code: str) -> None:
    """File requests, wait until all are confirmed, then until one is completed."""
    clock = SystemClock()
    health = Health(clock.wall)
    completed = asyncio.Event()

    def on_change(_conn: sqlite3.Connection, _request: Request, change: Change) -> None:
        if change.state == "completed":
            completed.set()

    settings = Upstream(url=url, sink="nats", wait_s=5, retry_first_s=0.1, retry_most_s=2)
    key = (await asyncio.to_thread((directory / "keys" / f"{code}.seed").read_text)).strip()
    store = await Store.open(directory / f"box-{code}.db", max_mbyte=64, group_commit_ms=1)
    requests = Requests(Seal(bytes(range(32))))
    sink = NatsSink(settings, code=code, key=key)
    forwarder = Forwarder(
        *(store, requests, sink, settings),
        clock=clock,
        announce=lambda _event: None,
        health=health,
        on_change=on_change,
    )
    desk = Desk(store, requests, missing=letters.missing, clock=clock, announce=lambda _event: None)
    running = asyncio.create_task(forwarder.run())
    try:
        for place in range(number):
            new = NewRequest(letter="SKCK", nik="3510152306089909", name="SITI AMINAH", phone="+6281234567001")
            await desk.submit(new, idempotency_key=f"trial {place}")
        await until_confirmed(store, number)
        print(f"{code}: {number} requests accepted, sent and confirmed by the regency", flush=True)
        async with asyncio.timeout(_WITHIN_S):
            await completed.wait()
        print(f"{code}: the regency completed one of them, and the box knows", flush=True)
    finally:
        running.cancel()
        await asyncio.wait({running})
        await store.close()


async def until_confirmed(store: Store, number: int) -> None:
    """Wait until the outbox has nothing open any more."""
    deadline = time.monotonic() + _WITHIN_S
    while True:
        states = await store.read(
            lambda conn: dict(conn.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall())
        )
        if states == {"delivered": number}:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"not confirmed in {_WITHIN_S} s: {states}")
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
