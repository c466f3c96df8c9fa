"""The receiver against a portal that answers, but says nothing new."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from edge.clock import Clock, SystemClock
from edge.config import Upstream
from edge.health import Health
from edge.queue.contact import Contact
from edge.queue.giving_up import ACTOR
from edge.queue.receiver import Receiver
from edge.queue.settlement import Settlement
from edge.queue.sink import Beat, Blob, Certificate, Change, Changes, Delivered, Outcome, Parcel
from edge.queue.store import outbox, transitions
from edge.queue.store.database import Store, StoreFailing, StoreFull
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from tests.unit.queue.box import box
from tests.unit.queue.far_end import FarEnd
from tests.unit.queue.virtual import VirtualStore, ram, run, until

T = TypeVar("T")
SETTINGS = Upstream(url="https://portal.example")
UNKNOWN = Change("event-1", "01a200cb-841a-7db4-a6ec-67221eab7699", "completed", 2)


class Resting(Contact):
    """A contact that tells when the receiver rests, and lets it rest for good."""

    def __init__(self, clock: Clock) -> None:
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
        async with asyncio.timeout(60):
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


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with ram() as path:
        yield path


def change(number: int, request: str = "no-such-request", state: str = "completed", version: int = 2) -> Change:
    return Change(f"event-{number}", request, state, version)


def numbers(store: Store, *queries: str) -> Awaitable[list[int]]:
    return store.read(lambda conn: [int(conn.execute(query).fetchone()[0]) for query in queries])


def test_a_lying_portal_fills_neither_the_table_nor_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Changes that mean nothing here are written down without end, or hold up those that do."""

    async def main() -> None:
        caplog.set_level("INFO", "edge.queue.receiver")
        async with box(tmp_path) as here:
            request = await here.file()
            await here.drained()
            for page in range(4):
                unknown = tuple(change(1_000 * page + number) for number in range(700))
                here.far.pages.append(Changes(unknown, f"c{page}", unreadable=3))
            here.far.pages.append(Changes((change(9_999, request, version=7),), "c4"))
            await until(lambda: not here.far.pages, "all pages are read")
            await here.state(request, "completed")
            kept, audited, odd, stands = await numbers(
                here.store,
                "SELECT count(*) FROM change WHERE outcome = 'unknown'",
                "SELECT count(*) FROM audit WHERE kind = 'change-unknown'",
                "SELECT count(*) FROM audit WHERE kind = 'change-unreadable'",
                "SELECT value = 'c4' FROM cursor",
            )
            assert (kept, audited, odd, stands) == (200, 4, 4, 1)
            asked = here.far.polls[-6:]
            assert [round(later - earlier) for earlier, later in pairwise(asked)][:4] == [5, 10, 20, 20]
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == 2
        assert told[0].startswith("changes from the portal are skipped as unknown: Change(event-0")
        assert told[1] == "changes from the portal are applied again"

    run(main)


def test_a_request_is_not_moved_without_end(tmp_path: Path) -> None:
    """A portal that goes mad sends a villager to and fro, a transition and an SMS each time."""

    async def main() -> None:
        async with box(tmp_path) as here:
            request = await here.file()
            await here.drained()
            states = ("district_check", "returned")
            steps = tuple(change(n, request, states[n % 2], n + 1) for n in range(300))
            here.far.pages.append(Changes(steps, "c1"))
            await until(lambda: not here.far.pages, "the page is read")
            (many, outcomes) = await numbers(
                here.store, "SELECT count(*) FROM transition", "SELECT count(DISTINCT outcome) FROM change"
            )
            assert (many, outcomes) == (transitions.MANY, 2)

    run(main)


def test_the_portals_word_opens_what_was_given_up_by_hand(tmp_path: Path) -> None:
    """A letter that the portal works on after all stays refused on the box, and nobody is told that it is ready."""

    async def main() -> None:
        async with box(tmp_path, FarEnd(reachable=lambda: False)) as here:
            given_up, refused = await here.file(), await here.file()
            for request, by in ((given_up, ACTOR), (refused, "desk")):
                await here.move(request, "rejected", by=by)
            here.far.reachable = lambda: True
            here.far.pages.append(Changes((change(1, refused), change(2, given_up)), "c1"))
            here.forwarder.retry_now()
            await here.state(given_up, "completed")
            await here.state(refused, "rejected")

    run(main)


class Shy(VirtualStore):
    """A real store that now and then takes nothing at all."""

    refuses = False

    async def write(self, work: Callable[[sqlite3.Connection], T], *, draining: bool = False) -> T:
        if self.refuses:
            raise StoreFailing("the disk fails")
        return await super().write(work, draining=draining)


def test_a_store_that_refuses_for_hours_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log fills with one line at each try, or nobody reads that it is over."""

    async def main() -> None:
        caplog.set_level("INFO", "edge.queue")
        async with box(tmp_path, kind=Shy) as here:
            assert isinstance(here.store, Shy)
            request = await here.file()
            await here.drained()
            here.store.refuses = True
            here.far.pages.extend(Changes((change(1, request),), "c1") for _ in range(400))
            here.forwarder.wake()
            await asyncio.sleep(3_600)
            assert len(here.far.polls) > 300
            assert sorted(said(caplog)) == ["forwarding waits: the disk fails", "status changes wait: the disk fails"]
            here.store.refuses = False
            await here.state(request, "completed")
            await until(lambda: len(said(caplog)) == 4, "each says that it goes on")
            assert sorted(said(caplog)[2:]) == ["forwarding goes on", "status changes are taken again"]

    run(main)


def test_a_damaged_request_crashes_nobody(tmp_path: Path) -> None:
    """One row that does not open ends the forwarder again and again, until the supervisor gives up."""

    async def main() -> None:
        async with box(tmp_path) as here:
            request = await here.file()
            await here.drained()
            (person,) = await here.store.read(lambda conn: conn.execute("SELECT person FROM request").fetchone())
            await here.person(b"damaged")
            here.far.pages.extend(Changes((change(1, request),), "c1") for _ in range(40))
            here.forwarder.retry_now()
            await until(lambda: len(here.far.pages) < 38, "the page is asked for again")
            await here.person(person)
            await here.state(request, "completed")

    run(main)


def test_an_enrolment_that_the_store_refuses_comes_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The forwarder crashes on a full disk until the supervisor gives up."""

    async def main() -> None:
        caplog.set_level("INFO", "edge.queue")
        far = FarEnd(reachable=lambda: False)
        async with box(tmp_path, far, kind=Shy) as here:
            assert isinstance(here.store, Shy)
            await here.file()
            await until(lambda: bool(here.forwarder.status.breaker != "closed"), "nobody answers")
            here.store.refuses = True
            far.reachable = lambda: True
            here.forwarder.retry_now()
            await until(lambda: len(far.beats) > 5, "the box goes on asking")
            assert not here.forwarder.enrolled
            here.store.refuses = False
            await here.drained()
        assert said(caplog).count("the enrolment waits: the disk fails") == 1
        assert said(caplog).count("the enrolment is kept") == 1

    run(main)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the parts of the forwarder said of the store."""
    parts = {f"edge.queue.{name}" for name in ("sender", "receiver", "carrier", "heartbeat")}
    return [record.getMessage() for record in caplog.records if record.name in parts]
