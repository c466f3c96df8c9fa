"""A village office for the Center's tests: a real store on disk, the real mailbox, a clock that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from edge import config
from edge.events import Event
from edge.modem.mailbox import Ended, Outgoing, Part, Started, Taken
from edge.queue.store.database import Store, StoreFull
from edge.queue.store.messages import Messages
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms.center import Center
from edge.sms.mailbox import StoreMailbox

T = TypeVar("T")
NIK = "3510064508909902"
OTHER_NIK = "3510231203859901"
CITIZEN = "+6281234567001"
HEAD = "+6281234567301"
OPERATOR = "+6281234567501"
STAFF = "+6281234567601"
NOON = 1_795_323_600.0  # 22 November 2026, 12.00 in Banyuwangi
VILLAGE = config.Village(code="3510052001", name="Sumberberas", district="Muncar")
SETTINGS = config.Sms(heads=(config.Head(rt=2, rw=1, phone=HEAD),), operators=(OPERATOR,), staff=(STAFF,), send_gap_s=0)


@dataclass
class StandingClock:
    """Wall time that moves only when told; `passed` is how far monotonic time is ahead of the loop's."""

    now: float = NOON
    sure: bool = True
    passed: float = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.passed

    def wall(self) -> float:
        return self.now

    def trusted(self) -> bool:
        return self.sure


@dataclass
class Office:
    store: Store
    requests: Requests
    messages: Messages
    clock: StandingClock
    settings: config.Sms
    center: Center
    mailbox: StoreMailbox
    events: list[Event]
    serial: itertools.count[int] = field(default_factory=itertools.count)

    def part(self, text: str, sender: str = CITIZEN, **given: Any) -> Part:
        values: dict[str, Any] = {
            "modem": "modem",
            "sender": sender,
            "alphanumeric": False,
            "text": text,
            "timestamp": "2026-11-22T12:00:00+07:00",
            "reference": None,
            "total": 1,
            "sequence": 1,
            "pdu": f"07{next(self.serial):06X}",
        }
        return Part(**(values | given))

    async def receive(self, text: str, sender: str = CITIZEN, **given: Any) -> str:
        """Take a message in, let the Center handle it, and return the outcome."""
        await self.mailbox.store([self.part(text, sender, **given)])
        return await self.outcome()

    async def outcome(self) -> str:
        """The outcome of the newest message, once nothing waits."""
        await until(self._nothing_waits)
        return str(await self.one("SELECT outcome FROM inbound ORDER BY id DESC LIMIT 1"))

    async def _nothing_waits(self) -> bool:
        return bool(await self.one("SELECT count(*) FROM inbound WHERE handled_at IS NULL") == 0)

    async def one(self, sql: str) -> Any:
        """The first value of a query."""
        return await self.store.read(lambda conn: conn.execute(sql).fetchone()[0])

    async def start(self) -> Outgoing | None:
        """The next message that may leave now, its sending journalled as the driver would; None if there is none."""
        outgoing = (await self.mailbox.choose()).outgoing
        if outgoing is not None:
            assert await self.mailbox.record(Started(outgoing, ((1, outgoing.reference),)))
        return outgoing

    async def sent(self) -> list[Outgoing]:
        """Everything that may leave now, taken as the driver would take it, and recorded as sent."""
        taken: list[Outgoing] = []
        while (outgoing := await self.start()) is not None:
            await self.mailbox.record(Taken(outgoing.id, 1, 7), Ended(outgoing.id, "sent"))
            taken.append(outgoing)
        return taken

    async def said(self) -> str:
        """The text of the only message that waits."""
        (only,) = await self.sent()
        return only.text

    async def said_soon(self) -> str:
        """The text of the next message, once there is one."""
        await until(lambda: self.holds("SELECT count(*) FROM outgoing WHERE state = 'pending'"))
        return await self.said()

    async def holds(self, sql: str) -> bool:
        """Whether a query's first value is true."""
        return bool(await self.one(sql))

    async def fill(self) -> None:
        """Fill the store until new work is refused."""
        await self.store.write(lambda conn: conn.execute("CREATE TABLE filler (content BLOB)"))
        for size in (500_000, 3_000):
            insert = functools.partial(_fill, size=size)
            with contextlib.suppress(StoreFull):
                while True:
                    await self.store.write(insert)

    async def empty(self) -> None:
        """Take out what `fill` put in."""
        await self.store.write(lambda conn: conn.execute("DELETE FROM filler"), draining=True)

    async def within(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self.store.write(work)


def _fill(conn: sqlite3.Connection, *, size: int) -> None:
    conn.execute("INSERT INTO filler VALUES (zeroblob(?))", (size,))


async def until(holds: Callable[[], Any], within_s: float = 60.0) -> None:
    """Wait until the awaited condition holds; an AssertionError after the deadline."""
    async with asyncio.timeout(within_s):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def open_office(
    directory: Path,
    *,
    settings: config.Sms = SETTINGS,
    village: config.Village = VILLAGE,
    running: bool = True,
    clock: StandingClock | None = None,
) -> AsyncIterator[Office]:
    """An office whose Center runs (if `running`) until the block ends."""
    store = await Store.open(directory / "office.db", max_mbyte=16, group_commit_ms=0)
    seal = Seal(bytes(range(32)))
    requests, messages, clock = Requests(seal), Messages(seal), clock or StandingClock()
    events: list[Event] = []
    center = Center(store, requests, messages, village, settings, clock=clock, announce=events.append)
    mailbox = StoreMailbox(store, messages, settings, clock=clock, announce=events.append)
    await mailbox.recover()
    office = Office(store, requests, messages, clock, settings, center, mailbox, events)
    task = asyncio.create_task(center.run()) if running else None
    try:
        yield office
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await store.close()
