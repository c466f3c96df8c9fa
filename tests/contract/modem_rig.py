"""What the modem's contract tests share: a mailbox in memory, a driver on a simulated modem, bounded waiting."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from edge.clock import SystemClock
from edge.config import Modem
from edge.events import Event
from edge.health import Health
from edge.modem.driver import Driver
from edge.modem.errors import Fault
from edge.modem.mailbox import Choice, Ended, Held, NotStored, Outgoing, Part, Report, Started, Step, Taken
from edge.simulator.gsm import GsmModem

CITIZEN = "+6281234567001"


@dataclass
class MemoryMailbox:
    """A mailbox whose memory is a list; `full` makes it refuse, as a full disk would, and reports wait for `open`.

    `unreadable` is a store that cannot be read, as a failing disk's.
    """

    parts: list[Part] = field(default_factory=list)
    known_again: int = 0
    full: bool = False
    unreadable: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    sent: dict[int, tuple[int, ...]] = field(default_factory=dict)
    failed: dict[int, tuple[str, Fault | None]] = field(default_factory=dict)
    uncertain: dict[int, str] = field(default_factory=dict)
    reports: list[tuple[str, int, bool | None]] = field(default_factory=list)
    outbox: deque[Outgoing] = field(default_factory=deque)
    memory: dict[str, str] = field(default_factory=dict)
    taken: dict[int, list[int]] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    held: Held = ""

    def __post_init__(self) -> None:
        self.open.set()

    async def store(self, arrivals: Sequence[Part | Report]) -> int:
        if self.full:
            raise NotStored("full")
        return sum([await self._store(arrival) for arrival in arrivals])

    async def _store(self, arrival: Part | Report) -> int:
        if isinstance(arrival, Report):
            await self.open.wait()
            self.reports.append((arrival.number, arrival.reference, arrival.delivered))
            return 0
        if any(known.pdu == arrival.pdu for known in self.parts):
            self.known_again += 1
            return 0
        self.parts.append(arrival)
        return 1

    async def recover(self) -> None:
        """Nothing outlives this memory."""

    async def choose(self) -> Choice:
        self.woken.clear()
        return Choice(self.outbox[0]) if self.outbox else Choice(held=self.held)

    async def wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            pass

    async def record(self, *steps: Step) -> bool:
        done = [self._record(step) for step in steps]
        return all(done)

    def _record(self, step: Step) -> bool:
        match step:
            case Started(outgoing):
                if outgoing not in self.outbox:
                    return False
                self.outbox.remove(outgoing)
                self.taken[outgoing.id] = []
            case Taken(message_id, _, reference) if reference is not None:
                self.taken[message_id].append(reference)
            case Ended(message_id, "sent"):
                self.sent[message_id] = tuple(self.taken[message_id])
            case Ended(message_id, "failed", error, fault):
                self.failed[message_id] = (error, fault)
            case Ended(message_id, "uncertain", error):
                self.uncertain[message_id] = error
        return True

    async def recall(self, name: str, *, surely: bool = False) -> str:
        if self.unreadable:
            if surely:
                raise NotStored("unreadable")
            return ""
        return self.memory.get(name, "")

    async def remember(self, name: str, value: str) -> None:
        if self.full:
            raise NotStored("full")
        self.memory[name] = value

    def fingerprint(self, secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    def credit(self, *, enough: bool) -> None:
        """Nothing is held here for want of credit."""

    def post(self, message_id: int, text: str, number: str = CITIZEN) -> None:
        self.outbox.append(Outgoing(message_id, number, text, "reply"))
        self.woken.set()

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


async def until(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait for a condition; TimeoutError when it does not come true in time."""
    async with asyncio.timeout(within_s):
        while True:
            if holds():
                return
            await asyncio.sleep(0.005)


def settings(device: Path) -> Modem:
    return Modem(device=str(device), command_timeout_s=1.0, send_timeout_s=5.0, list_every_s=5.0)


@asynccontextmanager
async def running(
    modem: GsmModem,
    link: Path,
    *,
    pin: str = "",
    plugged: bool = True,
    memory: dict[str, str] | None = None,
    **keys: Any,
) -> AsyncIterator[Bench]:
    """A driver at work on `modem`; `memory` is what the mailbox remembers of it, `keys` are settings of its own."""
    mailbox, events = MemoryMailbox(memory=dict(memory or {})), list[Event]()
    clock = SystemClock()
    health = Health(clock.wall)
    driver = Driver(
        msgspec.structs.replace(settings(link), **keys),
        mailbox,
        pin=pin,
        clock=clock,
        announce=events.append,
        health=health,
    )
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
