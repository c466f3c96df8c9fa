"""A real store, the real sink and forwarder, and the reference portal over real TLS, joined for the contract tests."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import SystemClock
from edge.config import Upstream, Village
from edge.events import Event
from edge.health import Health
from edge.queue.desk import Desk, NewRequest
from edge.queue.forwarder import Forwarder
from edge.queue.request import Request
from edge.queue.sink import Change
from edge.queue.sinks.https import HttpsSink
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.simulator import portal_tls
from edge.simulator.portal import Portal
from edge.sms import letters
from tests.contract.waiting import until
from tests.office import free_port

KEY = "portal-key"
VILLAGE = Village(code="3510052001", name="Sumberberas", district="Muncar")
NEW = NewRequest(letter="SKCK", nik="3510152306089909", name="SITI AMINAH", phone="+6281234567001", purpose="melamar")


@dataclass
class Rig:
    """The parts of one box with its portal."""

    portal: Portal
    store: Store
    requests: Requests
    desk: Desk
    health: Health
    settings: Upstream
    sink: HttpsSink
    forwarder: Forwarder
    port: int
    tls: portal_tls.Files
    events: list[Event] = field(default_factory=list)
    applied: list[tuple[str, str]] = field(default_factory=list)

    async def submit(self, key: str = "one", new: NewRequest = NEW) -> Request:
        return (await self.desk.submit(new, idempotency_key=key)).request

    async def state(self, identifier: str) -> str:
        request = await self.desk.get(identifier)
        assert request is not None
        return request.state

    async def until_state(self, identifier: str, wanted: str) -> None:
        deadline = time.monotonic() + 60
        while (state := await self.state(identifier)) != wanted:
            assert time.monotonic() < deadline, f"still {state}, not {wanted}"
            await asyncio.sleep(0.01)

    def codes(self) -> set[str]:
        return {raised.condition.code for raised in self.health.current()}

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        return await self.store.read(lambda conn: [tuple(row) for row in conn.execute(query)])

    async def start_portal(self) -> None:
        await self.portal.start(socket.create_server(("127.0.0.1", self.port)), self.tls.server_context())


@asynccontextmanager
async def rig(directory: Path, *, forwarding: bool = True, key: str = KEY) -> AsyncIterator[Rig]:
    """A running rig in `directory`; retries are quick and the read time-out short, everything else as configured."""
    tls = portal_tls.make(directory / "tls", ["localhost", "127.0.0.1"])
    port = free_port()
    listener = socket.create_server(("127.0.0.1", port))
    portal = Portal(key=KEY, village=VILLAGE.code)
    await portal.start(listener, tls.server_context())
    settings = Upstream(
        url=f"https://127.0.0.1:{port}",
        ca_file=str(tls.ca),
        connect_timeout_s=1,
        read_timeout_s=0.5,
        wait_s=5,
        retry_first_s=0.05,
        retry_most_s=0.2,
    )
    clock = SystemClock()
    store = await Store.open(directory / "box.db", max_mbyte=16, group_commit_ms=1)
    requests = Requests(Seal(bytes(range(32))))
    events: list[Event] = []
    applied: list[tuple[str, str]] = []

    def on_change(_conn: sqlite3.Connection, request: Request, change: Change) -> None:
        applied.append((request.ticket, change.state))

    health = Health(clock.wall)
    sink = HttpsSink(settings, code=VILLAGE.code, key=key)
    desk = Desk(store, requests, missing=letters.missing, clock=clock, announce=events.append)
    forwarder = Forwarder(
        *(store, requests, sink, settings),
        clock=clock,
        announce=events.append,
        health=health,
        on_change=on_change,
    )
    made = Rig(portal, store, requests, desk, health, settings, sink, forwarder, port, tls, events, applied)
    task = asyncio.create_task(forwarder.run()) if forwarding else None
    try:
        if forwarding and key == KEY:
            await until(lambda: forwarder.enrolled, "the first heartbeat")
        yield made
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        await sink.close()
        await portal.stop()
        await store.close()
    if task is not None and not task.cancelled():
        task.result()
