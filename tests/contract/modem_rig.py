"""What the modem's contract tests share: a mailbox in memory, a driver on a simulated modem, bounded waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import SystemClock
from edge.config import Modem
from edge.events import Event
from edge.health import Health
from edge.modem.driver import Driver, NotStored, Outgoing, Part
from edge.simulator.gsm import GsmModem

CITIZEN = "+6281234567001"


@dataclass
class MemoryMailbox:
    """A mailbox whose memory is a list; `full` makes it refuse, as a full disk would, and reports wait for `open`."""

    parts: list[Part] = field(default_factory=list)
    known_again: int = 0
    full: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    sent: dict[int, tuple[int, ...]] = field(default_factory=dict)
    failed: dict[int, tuple[str, bool]] = field(default_factory=dict)
    uncertain: dict[int, str] = field(default_factory=dict)
    reports: list[tuple[str, int, bool]] = field(default_factory=list)
    outbox: asyncio.Queue[Outgoing] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.open.set()

    async def store_part(self, part: Part) -> bool:
        if self.full:
            raise NotStored("full")
        if any(known.pdu == part.pdu for known in self.parts):
            self.known_again += 1
            return False
        self.parts.append(part)
        return True

    async def next_outgoing(self) -> Outgoing | None:
        try:
            return await asyncio.wait_for(self.outbox.get(), 1.0)
        except TimeoutError:
            return None

    async def record_sent(self, message_id: int, references: tuple[int, ...]) -> None:
        self.sent[message_id] = references

    async def record_failure(self, message_id: int, error: str, *, permanent: bool) -> None:
        self.failed[message_id] = (error, permanent)

    async def record_uncertain(self, message_id: int, error: str) -> None:
        self.uncertain[message_id] = error

    async def record_report(self, number: str, reference: int, delivered: bool) -> None:
        await self.open.wait()
        self.reports.append((number, reference, delivered))

    def post(self, message_id: int, text: str, number: str = CITIZEN) -> None:
        self.outbox.put_nowait(Outgoing(message_id, number, text, "reply"))

    def whole_since(self, before: int) -> bool:
        """All parts of one message have come after the first `before` parts."""
        new = self.parts[before:]
        return bool(new) and len(new) == new[-1].total

    def has(self, text: str) -> bool:
        return text in self.texts

    @property
    def texts(self) -> list[str]:
        return [part.text for part in self.parts]


@dataclass
class Bench:
    modem: GsmModem
    mailbox: MemoryMailbox
    driver: Driver
    health: Health
    events: list[Event]

    def raised(self) -> set[str]:
        return {raised.condition.code for raised in self.health.current()}

    async def ready(self) -> None:
        await until(lambda: self.driver.status.state == "ready")


async def until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait for a condition; TimeoutError when it does not come true in time."""
    async with asyncio.timeout(within_s):
        while True:
            if holds():
                return
            await asyncio.sleep(0.005)


def settings(device: Path) -> Modem:
    return Modem(device=str(device), command_timeout_s=1.0, send_timeout_s=5.0, list_every_s=5.0)


@asynccontextmanager
async def running(modem: GsmModem, link: Path, *, pin: str = "", plugged: bool = True) -> AsyncIterator[Bench]:
    """A driver at work on `modem`."""
    mailbox, events = MemoryMailbox(), list[Event]()
    clock = SystemClock()
    health = Health(clock.wall)
    driver = Driver(settings(link), mailbox, pin=pin, clock=clock, announce=events.append, health=health)
    if plugged:
        await modem.start()
    task = asyncio.create_task(driver.run())
    try:
        yield Bench(modem, mailbox, driver, health, events)
        assert not task.done(), "the driver ended by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await modem.stop()
