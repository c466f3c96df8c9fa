"""The receiver against a portal that answers, but says nothing new."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import Upstream
from edge.health import Health
from edge.queue.contact import Contact
from edge.queue.receiver import Receiver
from edge.queue.settlement import Settlement
from edge.queue.sink import Beat, Blob, Certificate, Change, Changes, Delivered, Outcome, Parcel
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal

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

    def __init__(self, page: tuple[Change, ...]) -> None:
        self.page = page
        self.asked = 0

    async def changes(self, cursor: str, *, at_once: bool = False) -> Changes:
        assert isinstance(at_once, bool)
        self.asked += 1
        return Changes(self.page, cursor + "x")

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
