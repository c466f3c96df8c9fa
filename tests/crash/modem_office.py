"""An office in the test's own process: a box at work at a simulated modem, and what was promised and given."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from edge.config import Modem, Sms
from edge.modem.device.usb import Places
from edge.queue.store.outgoing import Kind
from edge.simulator.gsm import GsmModem
from tests.crash.modem_box import SMS, Box, Order, Sending, unsettled, working

CITIZEN, OFFICER = "+6281234567001", "+6281234567002"


@dataclass
class Office:
    """A box at work, the modem it works at, and what was promised and given."""

    modem: GsmModem
    box: Box
    promised: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    numbers: count[int] = field(default_factory=lambda: count(1))

    async def order(self, text: str, phone: str = CITIZEN, kind: Kind = "reply") -> None:
        """Promise one message to send."""
        await self.box.queue(Order(next(self.numbers), kind, phone, text))
        self.promised.append(text)

    def deliver(self, text: str) -> None:
        """Let a citizen's message come."""
        self.given.append(text)
        self.modem.deliver(OFFICER, text)

    def sending(self, text: str) -> Sending:
        """What the store says of a promised message."""
        return self.box.contents().outgoing[text]

    def received(self) -> Counter[str]:
        """The stored texts."""
        return self.box.contents().received

    def taken(self) -> Counter[str]:
        """How often the network took each text."""
        return Counter(sms.text for sms in self.modem.sent)

    def settled(self) -> bool:
        """Whether everything has come to its end."""
        return self.idle() and self.received().total() >= len(self.given)

    def idle(self) -> bool:
        """Whether nothing waits on the SIM, in the network or in the store."""
        return not (self.modem.stored or self.modem.waiting or unsettled(self.box.database))

    async def ready(self) -> None:
        """Wait for the modem's first survey."""
        await until(lambda: self.box.driver.status.state == "ready")

    async def works(self, mark: str, *, within_s: float = 60.0) -> float:
        """Seconds until a new SMS has gone through in either direction."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        await self.order(f"keluar {mark}")
        self.deliver(f"masuk {mark}")
        await until(lambda: self.taken()[f"keluar {mark}"] and self.received()[f"masuk {mark}"], within_s)
        return loop.time() - start

    async def whole(self, *, within_s: float = 60.0) -> None:
        """Wait for the end of everything, then count: nothing lost, nothing twice."""
        await self.end(within_s=within_s)
        assert self.received() == Counter(self.given)
        assert self.taken() == Counter(self.promised)

    async def end(self, *, within_s: float = 60.0) -> None:
        """Wait for the end of everything; AssertionError with what is still open."""
        try:
            await until(self.settled, within_s)
        except TimeoutError:
            open_in = Counter(self.given) - self.received()
            open_out = Counter(self.promised) - self.taken()
            line = self.box.driver.status.state
            places = f"{self.modem.stored} on the SIM, {self.modem.waiting} in the network"
            found = f"to come {open_in}, to send {open_out}, {places}, modem {line}, {self.box.raised()}"
            raise AssertionError(f"not settled within {within_s:.0f} s: {found}") from None


async def until(holds: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for a condition; TimeoutError when it does not come true in time."""
    async with asyncio.timeout(within_s):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def office(
    directory: Path,
    modem: GsmModem | None = None,
    settings: Modem | None = None,
    sms: Sms = SMS,
    places: Places | None = None,
) -> AsyncIterator[Office]:
    """An office whose modem is registered and ready."""
    modem = modem or GsmModem(directory / "modem", network_s=0.05, command_s=0.002)
    await modem.start()
    try:
        async with working(directory, settings, sms, places) as box:
            office = Office(modem, box)
            await office.ready()
            yield office
    finally:
        await modem.stop()
