"""A box without a battery clock: it wakes in 1970, NTP throws it forward, a bad server throws it anywhere.

Rows wait, with their times of the clock before, when it jumps. Nothing may be lost, starve, or go up twice.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

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
from edge.simulator import portal_tls
from edge.simulator.portal import Portal
from edge.sms import letters
from tests.crash import together

VILLAGE = Village(code="3510052001", name="Sumberberas", district="Muncar")
NEW = NewRequest(letter="SKCK", nik="3510152306089909", name="SITI AMINAH")
OPEN = "('pending', 'waiting', 'held', 'leased', 'confirming')"
TO_1970 = -float(int(time.time())) + 60.0
DECADE = 10 * 365 * 86_400.0
AT_ONCE = 8


@dataclass
class JumpingClock:
    """The machine's clock, `offset` seconds off."""

    offset: float = 0.0

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time() + self.offset

    def trusted(self) -> bool:
        return abs(self.offset) < 1


@dataclass
class Box:
    """One life of the queue room."""

    store: Store
    requests: Requests
    desk: Desk
    clock: JumpingClock

    async def file(self, key: str, *, cancelled: bool = False) -> str:
        """Accept a request; a cancelled one has an event behind it, or never leaves."""
        identifier = (await self.desk.submit(NEW, idempotency_key=key)).request.id
        if cancelled:
            now = self.clock.wall()
            await self.store.write(lambda conn: self.requests.cancel(conn, identifier, by="staff", now=now))
        return identifier

    async def one(self, question: str) -> int:
        return await self.store.read(lambda conn: int(conn.execute(question).fetchone()[0]))


def ignore(_conn: sqlite3.Connection, _request: Request, _change: Change) -> None:
    """No SMS here."""


@asynccontextmanager
async def living(directory: Path, settings: Upstream, clock: JumpingClock) -> AsyncIterator[Box]:
    """A life of the box; it ends in the midst of everything, as leases and waits in its store show."""
    store = await Store.open(directory / "box.db", max_mbyte=16, group_commit_ms=2)
    requests = Requests(Seal(bytes(32)))
    desk = Desk(store, requests, missing=letters.missing, clock=clock, announce=lambda _event: None)
    forwarder = Forwarder(
        *(store, requests, HttpsSink(settings, code=VILLAGE.code, key="portal-key"), settings),
        clock=clock,
        announce=lambda _event: None,
        health=Health(clock.wall),
        on_change=ignore,
    )
    task = asyncio.create_task(forwarder.run())
    try:
        yield Box(store, requests, desk, clock)
        assert not task.done(), "the forwarder ended by itself"
    finally:
        task.cancel()
        await asyncio.wait({task})
        await store.close()


async def until(holds: Callable[[], Awaitable[bool]], what: str, within_s: float = 100.0) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.02)


async def jump(directory: Path, *, before: float, after: float, then: float, restart: bool, mode: str) -> None:
    """Rows of the time `before` wait for a portal in `mode` when it becomes `after`, and soon after `then`."""
    tls = portal_tls.make(directory / "tls", ["127.0.0.1"])
    listener = socket.create_server(("127.0.0.1", 0))
    portal = Portal(key="portal-key", village=VILLAGE.code)
    await portal.start(listener, tls.server_context())
    settings = Upstream(
        url=f"https://127.0.0.1:{listener.getsockname()[1]}",
        ca_file=str(tls.ca),
        connect_timeout_s=2,
        read_timeout_s=1,
        wait_s=1,
        retry_first_s=0.05,
        retry_most_s=1,
    )
    clock = JumpingClock(before)
    filed: list[str] = []
    try:
        async with living(directory, settings, clock) as box:
            filed.append(await box.file("first"))
            await until(functools.partial(_at_portal, portal, filed), "the first request arrives")
            portal.mode = mode  # type: ignore[assignment]  # a row of the table below
            filed += [await box.file(f"before-{number}") for number in range(3)]
            tried = "SELECT count(*) FROM outbox WHERE attempts > 0 AND state IN ('leased', 'waiting')"
            await until(functools.partial(_some, box, tried), "the rows are tried")
            filed.append(await box.file("cancelled", cancelled=True))
            clock.offset = after
            if not restart:
                await _come_to_rest(box, portal, filed, then)
        if restart:
            async with living(directory, settings, clock) as box:
                await _come_to_rest(box, portal, filed, then)
    finally:
        await portal.stop()


async def _come_to_rest(box: Box, portal: Portal, filed: list[str], then: float) -> None:
    """More requests while the clock is wrong and after it is set; then the portal is well, and all must be there."""
    filed += [await box.file(f"after-{number}") for number in range(3)]
    portal.mode = "ok"
    filed.append(await box.file("wrong", cancelled=True))
    box.clock.offset = then
    filed.append(await box.file("then"))
    assert len(set(filed)) == len(filed)
    await until(functools.partial(_settled, box), "everything goes up")
    withdrawn = await box.store.read(
        lambda conn: {row[0] for row in conn.execute("SELECT request FROM outbox WHERE state = 'withdrawn'")}
    )
    assert set(portal.requests) == set(filed) - withdrawn
    assert await box.one("SELECT count(*) FROM outbox WHERE state NOT IN ('delivered', 'withdrawn')") == 0
    audit = portal.ledger.audit()
    assert (audit["twice"], audit["disorder"]) == ([], [])
    for identifier, there in portal.requests.items():
        if there.state == "forwarded":
            portal.complete(identifier)
    ended = "SELECT count(*) FROM request WHERE state NOT IN ('completed', 'cancelled')"
    await until(functools.partial(_none, box, ended), "changes come down")


async def _at_portal(portal: Portal, filed: list[str]) -> bool:
    return set(filed) <= set(portal.requests)


async def _some(box: Box, question: str) -> bool:
    return bool(await box.one(question))


async def _none(box: Box, question: str) -> bool:
    return not await box.one(question)


async def _settled(box: Box) -> bool:
    return not await box.one(f"SELECT count(*) FROM outbox WHERE state IN {OPEN}")


JUMPS: dict[str, together.Scenario] = {
    f"{name}-{mode}{'-restart' if restart else ''}": functools.partial(
        jump, before=before, after=after, then=then, restart=restart, mode=mode
    )
    for name, before, after, then in (
        ("back-to-1970", 0.0, TO_1970, TO_1970),
        ("1970-and-ntp", 0.0, TO_1970, 0.0),
        ("born-in-1970", TO_1970, 0.0, 0.0),
        ("ten-years-on", 0.0, DECADE, DECADE),
        ("ten-years-on-and-back", 0.0, DECADE, 0.0),
    )
    for restart in (False, True)
    for mode in ("503", "silent")
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> together.Outcomes:
    return together.run_together(tmp_path_factory.mktemp("clock"), JUMPS, at_once=AT_ONCE)


@pytest.mark.parametrize("name", JUMPS)
def test_a_clock_that_jumps(outcomes: together.Outcomes, name: str) -> None:
    """A wrong clock starves a request, loses it, or sends it twice."""
    together.tell(outcomes[name])
