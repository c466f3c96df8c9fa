"""A box in virtual time: the real store and forwarder, a far end that a test directs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.config import Upstream
from edge.events import Event
from edge.health import Health
from edge.queue.forwarder import Forwarder, Way
from edge.queue.request import Request, uuid7
from edge.queue.store import outbox, outbox_view
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from tests.unit.queue.far_end import FarEnd, Scans
from tests.unit.queue.virtual import VirtualClock, VirtualStore, close_store, open_store

SEAL = Seal(bytes(32))
SETTINGS = Upstream(url="https://portal.example")


@dataclass
class Box:
    """One box with its far end; `way` is how the portal is reached."""

    store: VirtualStore
    far: FarEnd
    scans: Scans
    forwarder: Forwarder
    health: Health
    clock: VirtualClock
    ways: list[Way]
    events: list[Event]
    main: asyncio.Task[Any]
    requests: Requests = field(default_factory=lambda: Requests(SEAL))
    filed: int = 0

    def crashed(self, task: asyncio.Task[None]) -> None:
        """A forwarder that ends by itself ends the test."""
        if not task.cancelled():
            self.main.cancel(f"{task.exception()!r}")
            task.result()

    def codes(self) -> set[str]:
        return {raised.condition.code for raised in self.health.current()}

    async def file(self) -> str:
        """A new request; its id."""
        self.filed += 1
        now = self.clock.wall()
        request = Request(
            id=uuid7(int(now * 1_000), self.filed),
            ticket=f"T{self.filed}",
            letter="SKTM",
            source="desk",
            state="received",
            version=1,
            name="SITI",
        )
        return (await self.store.write(lambda conn: self.requests.add(conn, request, now=now))).id

    async def move(self, request: str, state: str, *, by: str) -> None:
        """Somebody changes the state of a request."""
        now = self.clock.wall()
        await self.store.write(lambda conn: self.requests.move(conn, request, state, by=by, now=now))

    async def person(self, sealed: bytes) -> None:
        """Whom every request is for, sealed or spoiled."""
        await self.store.write(lambda conn: conn.execute("UPDATE request SET person = ?", (sealed,)) and None)

    async def state(self, request: str, wanted: str) -> None:
        """Wait until a request is in this state."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 7_200
        while (found := await self.store.read(lambda conn: self.requests.get(conn, request))) is None or (
            found.state != wanted
        ):
            assert loop.time() < deadline, f"still {found and found.state}, not {wanted}"
            await asyncio.sleep(0.2)

    async def put(self, kind: str, request: str | None = None, content: str = "{}", stream: str | None = None) -> str:
        """An outbox row; its event."""
        now = self.clock.wall()
        return await self.store.write(
            lambda conn: outbox.put(conn, SEAL, request, kind, content, now=now, stream=stream)
        )

    async def scan(self, request: str, content: bytes) -> str:
        """An attachment of a request, whole on the box; its id."""
        identifier = f"scan-{len(self.scans.contents)}"
        self.scans.contents[identifier] = content
        await self.put("attachment", request)
        await self.put("blob", request, json.dumps({"attachment": identifier}), stream=f"blob:{identifier}")
        return identifier

    async def rows(self, what: str = "state", where: str = "1") -> list[tuple[Any, ...]]:
        query = f"SELECT {what} FROM outbox WHERE {where} ORDER BY seq"
        return await self.store.read(lambda conn: [tuple(row) for row in conn.execute(query)])

    async def open(self) -> int:
        """How many rows are open."""
        depths = await self.store.read(outbox_view.depths)
        return sum(depth.rows for (_, state), depth in depths.items() if state in outbox.OPEN)

    async def drained(self, within_s: float = 7_200.0) -> None:
        """Nothing is open any more, and the forwarder knows."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while await self.open() or self.forwarder.status.waiting:
            assert loop.time() < deadline, f"still open: {await self.rows('seq, kind, state, error')}"
            await asyncio.sleep(0.2)


@asynccontextmanager
async def box(
    path: Path, far: FarEnd | None = None, *, kind: type[VirtualStore] = VirtualStore, **settings: Any
) -> AsyncIterator[Box]:
    """A running box; what fails in its tasks fails the test."""
    far = far or FarEnd()
    store, scans, clock = await open_store(path / "box.db", kind=kind), Scans(), VirtualClock()
    health, ways, events = Health(clock.wall), [Way("telkom")], list[Event]()
    wanted = Upstream(**{"url": "https://portal.example", **settings})
    forwarder = Forwarder(
        *(store, Requests(SEAL), far, wanted),
        clock=clock,
        announce=events.append,
        health=health,
        on_change=lambda *_: None,
        way=lambda: ways[-1],
        state=lambda: {"version": "1"},
        attachments=scans,
    )
    made = Box(store, far, scans, forwarder, health, clock, ways, events, _present())
    task = asyncio.create_task(forwarder.run())
    task.add_done_callback(made.crashed)
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait({task})
        await close_store(store)


def _present() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task
