"""The real store and forwarder through every kind of sink: accepted, delivered once in effect, confirmed, completed."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.health import Health
from edge.queue.desk import Desk
from edge.queue.forwarder import Forwarder
from edge.queue.request import Request
from edge.queue.sink import KINDS, Change
from edge.queue.store import outbox
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms import letters
from tests.contract.far_ends import FARS, Far, NatsFar, OpenDkFar, make_sink
from tests.contract.portal_rig import NEW
from tests.contract.waiting import until


@dataclass
class Box:
    """One box: its store, its desk and what it shows."""

    store: Store
    requests: Requests
    desk: Desk
    health: Health
    forwarder: Forwarder
    applied: list[tuple[str, str]]

    async def submit(self, key: str) -> Request:
        return (await self.desk.submit(NEW, idempotency_key=key)).request

    async def until_state(self, identifier: str, wanted: str) -> None:
        deadline = time.monotonic() + 60
        while (request := await self.desk.get(identifier)) is None or request.state != wanted:
            assert time.monotonic() < deadline, f"still {request}, not {wanted}"
            await asyncio.sleep(0.02)

    async def until_rows(self, wanted: list[tuple[str, str]]) -> None:
        """Wait until the outbox holds these kinds in these states."""
        deadline = time.monotonic() + 60
        while (rows := await self._rows()) != wanted:
            assert time.monotonic() < deadline, f"still {rows}, not {wanted}"
            await asyncio.sleep(0.02)

    async def _rows(self) -> list[tuple[str, str]]:
        return await self.store.read(
            lambda conn: [(row["kind"], row["state"]) for row in conn.execute("SELECT * FROM outbox ORDER BY seq")]
        )

    def codes(self) -> set[str]:
        return {raised.condition.code for raised in self.health.current()}


@asynccontextmanager
async def box(far: Far, directory: Path, **more: Any) -> AsyncIterator[Box]:
    """A running box."""
    clock = SystemClock()
    store = await Store.open(directory / "box.db", max_mbyte=16, group_commit_ms=1)
    requests = Requests(Seal(bytes(range(32))))
    applied: list[tuple[str, str]] = []

    def on_change(_conn: sqlite3.Connection, request: Request, change: Change) -> None:
        applied.append((request.ticket, change.state))

    health = Health(clock.wall)
    desk = Desk(store, requests, missing=letters.missing, clock=clock, announce=lambda _event: None)
    forwarder = Forwarder(
        *(store, requests, make_sink(far, **more), far.settings(**more)),
        clock=clock,
        announce=lambda _event: None,
        health=health,
        on_change=on_change,
    )
    task = asyncio.create_task(forwarder.run())
    try:
        yield Box(store, requests, desk, health, forwarder, applied)
    finally:
        task.cancel()
        await asyncio.wait({task})
        await store.close()


@pytest.fixture(params=sorted(KINDS))
async def far(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Far]:
    made = FARS[request.param](tmp_path)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def test_a_request_goes_up_and_its_end_comes_down(far: Far, tmp_path: Path) -> None:
    """A kind of sink does not carry a request to its end, or tells of its end twice."""
    async with box(far, tmp_path) as office:
        request = await office.submit("one")
        await office.until_rows([("request", "delivered")])
        await until(lambda: far.effects(request.id) == 1, "the effect")
        await far.change(request.id, "head_approval")
        await office.until_state(request.id, "head_approval")
        await far.change(request.id, "completed")
        await office.until_state(request.id, "completed")
        assert [state for _, state in office.applied if state == "completed"] == ["completed"]
        assert office.codes() == set()


async def test_all_arrive_once_though_the_far_end_dies(far: Far, tmp_path: Path) -> None:
    """Requests are lost or doubled when the far end goes away in the middle and comes back."""
    async with box(far, tmp_path) as office:
        first = [await office.submit(f"early {number}") for number in range(10)]
        await far.stop()
        second = [await office.submit(f"late {number}") for number in range(10)]
        await until(lambda: "upstream-unreachable" in office.codes(), "the condition")
        await far.start()
        office.forwarder.retry_now()
        await office.until_rows([("request", "delivered")] * 20)
        assert {far.effects(request.id) for request in (*first, *second)} == {1}
        await until(lambda: "upstream-unreachable" not in office.codes(), "health")


async def test_a_refused_key_pauses_and_heals(far: Far, tmp_path: Path) -> None:
    """A refused key loses a request, or is never tried again."""
    async with box(far, tmp_path) as office:
        await office.until_rows([])
        await far.refuse(True)
        request = await office.submit("one")
        await until(lambda: "upstream-unauthorised" in office.codes(), "the condition")
        await far.refuse(False)
        await office.until_rows([("request", "delivered")])
        assert far.effects(request.id) == 1
        await until(lambda: office.codes() == set(), f"health, not {office.codes()}")


async def test_what_has_no_place_there_is_settled_honestly(far: Far, tmp_path: Path) -> None:
    """Figures of the monitor pile up for an upstream that has no place for them, or are called delivered."""
    async with box(far, tmp_path) as office:
        await office.submit("one")
        await office.until_rows([("request", "delivered")])
        await office.store.write(
            lambda conn: outbox.put(conn, office.requests.seal, None, "uplink_hour", '{"hour": 1}', now=1.0)
        )
        state = "discarded" if isinstance(far, OpenDkFar) else "delivered"
        await office.until_rows([("request", "delivered"), ("uplink_hour", state)])
        assert office.codes() == set()


async def test_a_wish_to_cancel_is_carried_or_shown_to_staff(far: Far, tmp_path: Path) -> None:
    """A citizen's cancellation is dropped without a word where the upstream knows none."""
    async with box(far, tmp_path) as office:
        request = await office.submit("one")
        await office.until_rows([("request", "delivered")])
        await office.store.write(lambda conn: office.requests.cancel(conn, request.id, by="sms", now=2.0))
        if isinstance(far, OpenDkFar):
            await office.until_rows([("request", "delivered"), ("cancel_requested", "dead")])
            assert "upstream-dead-letter" in office.codes()
        else:
            await office.until_state(request.id, "cancelled")


async def test_a_broker_that_lost_its_disk_gets_everything_again(tmp_path: Path) -> None:
    """A power cut empties the broker, and what it had acknowledged is gone for good."""
    far = NatsFar(tmp_path)
    await far.start()
    far.regency.confirming = False
    try:
        async with box(far, tmp_path, confirm_s=2) as office:
            await office.submit("one")
            await office.until_rows([("request", "confirming")])
            await far.stop()
            far.server.wipe()
            far.regency.landed.clear()
            far.regency.confirming = True
            await far.start()
            await office.until_rows([("request", "delivered")])
    finally:
        await far.stop()
    assert len(far.regency.landed) == 1
