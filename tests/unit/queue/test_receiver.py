"""The receiver against a portal that answers, but says nothing new."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from edge.clock import SystemClock
from edge.config import Upstream
from edge.health import Health
from edge.queue.contact import Contact
from edge.queue.receiver import Receiver
from edge.queue.settlement import Settlement
from edge.queue.sink import Beat, Blob, Certificate, Change, Changes, Delivered, Outcome, Parcel
from edge.queue.store import outbox
from edge.queue.store.database import Store, StoreFull
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal

T = TypeVar("T")
SETTINGS = Upstream(url="https://portal.example")
UNKNOWN = Change("event-1", "01a200cb-841a-7db4-a6ec-67221eab7699", "completed", 2)


class Resting(Contact):
    """A contact that tells when the receiver rests, and lets it rest for good."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__(SETTINGS, clock=clock, health=Health(clock.wall))
        self.rested = asyncio.Event()

    async def rest(self, seconds: float, event: asyncio.Event | None = None) -> None:
        assert seconds > 0
        assert event is None
        self.rested.set()
        await asyncio.Event().wait()


class SaysNothingNew:
    """A sink that answers at once with the same page and another cursor each time."""

    def __init__(self, page: tuple[Change, ...], confirmed: tuple[str, ...] = ()) -> None:
        self.page, self.confirmed = page, confirmed
        self.asked = 0

    async def changes(self, cursor: str, *, at_once: bool = False) -> Changes:
        assert isinstance(at_once, bool)
        self.asked += 1
        return Changes(self.page, cursor + "x", confirmed=self.confirmed)

    @property
    def batch_most(self) -> int:
        """One."""
        return 1

    async def deliver(self, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        """Never called."""
        raise AssertionError(f"nothing goes up here: {parcels!r}")

    async def carry(self, blob: Blob) -> Delivered:
        """Never called."""
        raise AssertionError(f"nothing goes up here: {blob!r}")

    async def beat(self, state: bytes) -> Beat:
        """Never called."""
        raise AssertionError(f"nothing goes up here: {state!r}")

    def certificates(self) -> tuple[Certificate, ...]:
        """None."""
        return ()

    async def refresh(self) -> None:
        """Nothing to refresh."""

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("page", [(), (UNKNOWN,)], ids=["empty pages", "a change that is known already"])
async def test_a_portal_that_moves_its_cursor_for_nothing_is_not_asked_without_rest(
    tmp_path: Path, page: tuple[Change, ...]
) -> None:
    """One mad portal would be asked by 217 boxes as fast as they can."""
    clock = SystemClock()
    store = await Store.open(tmp_path / "box.db", max_mbyte=16, group_commit_ms=1)
    sink, contact = SaysNothingNew(page), Resting(clock)
    requests = Requests(Seal(bytes(32)))
    receiver = Receiver(
        *(store, requests, sink, contact, Settlement(requests, SETTINGS, contact.delay)),
        clock=clock,
        announce=lambda _: None,
        on_change=lambda *_: None,
    )
    task = asyncio.create_task(receiver.run())
    try:
        async with asyncio.timeout(10):
            await contact.rested.wait()
        assert sink.asked <= 3
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()


class Full(Store):
    """A real store that takes nothing new once it is `full`, but drains."""

    full = False

    async def write(self, work: Callable[[sqlite3.Connection], T], *, draining: bool = False) -> T:
        if self.full and not draining:
            raise StoreFull("full")
        return await super().write(work, draining=draining)


async def test_a_full_store_lets_go_of_what_is_confirmed_beside_a_change(tmp_path: Path) -> None:
    """A store that is full of what the far end has long confirmed stays full for ever."""
    clock, seal = SystemClock(), Seal(bytes(32))
    store = await Full.open(tmp_path / "box.db", max_mbyte=16, group_commit_ms=1)
    assert isinstance(store, Full)

    def handed_over(conn: sqlite3.Connection) -> str:
        event = outbox.put(conn, seal, None, "uplink_hour", "{}", now=1.0)
        (row,) = outbox.claim(conn, seal, limit=1, now=1.0, most_wait_s=600)
        outbox.hand_over(conn, row, until=clock.wall() + 600)
        return event

    event, ended = await store.write(handed_over), asyncio.Event()
    store.full = True
    requests, contact = Requests(seal), Resting(clock)
    receiver = Receiver(
        *(store, requests, SaysNothingNew((UNKNOWN,), (event,)), contact),
        Settlement(requests, SETTINGS, contact.delay),
        clock=clock,
        announce=lambda _: None,
        on_change=lambda *_: None,
        confirmed=ended.set,
    )
    task = asyncio.create_task(receiver.run())
    try:
        async with asyncio.timeout(30):
            await ended.wait()
        assert await store.read(lambda conn: conn.execute("SELECT state FROM outbox").fetchone()[0]) == "delivered"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()
