"""What is measured of one contender at its own modem. Times in seconds, rates in messages a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.sms_peers.contenders import Contender
from bench.sms_peers.emulator import Emulator, until

_WARM_S, _MOST_S, _REST_S = 60.0, 240.0, 3.0
_LOOK_S = 0.005
_ARRIVE = 50


@dataclass(frozen=True, slots=True)
class Sent:
    """A queue that was sent: how soon the network got the first, and how many a minute it got."""

    first_s: float
    per_minute: float


class Bench:
    """A contender at work, which has sent a message already and is at rest."""

    def __init__(self, contender: Contender, emulator: Emulator) -> None:
        self.contender, self.emulator = contender, emulator
        self._texts = 0

    async def send(self, count: int, network_s: float) -> Sent:
        """Queue `count` messages at once, and wait until the network has taken the last."""
        await self.emulator.pace(network_s)
        before = len(await self.emulator.sent())
        begun = time.time()
        await self.contender.queue(self._fresh(count))
        times = (await self.emulator.wait_sent(before + count, _MOST_S))[before:]
        return Sent(times[0] - network_s - begun, count / (times[-1] - begun) * 60)

    async def arrive(self, count: int = _ARRIVE) -> float:
        """Let `count` messages arrive at once: when is the last one kept by the contender?"""
        await self.contender.expect(count)
        before = self.contender.stored()
        begun = time.time()
        await self.emulator.deliver(self._fresh(count))

        async def kept() -> bool:
            return self.contender.stored() >= before + count

        await until(kept, _MOST_S, _LOOK_S)
        took = time.time() - begun
        await self._emptied()
        return took

    async def both(self, count: int, network_s: float) -> tuple[Sent, float]:
        """As `send`, with as many arriving as in `arrive` while the third message has just gone out.

        That is the worst moment for who must wait until the modem has an ear again.
        """
        before = len(await self.emulator.sent())
        sending = asyncio.create_task(self.send(count, network_s))
        await self.emulator.wait_sent(before + 2, _MOST_S)
        await asyncio.sleep(network_s / 10)
        arrived = await self.arrive()
        return await sending, arrived

    async def warm(self) -> None:
        """Let it find its modem, send something, and come to rest."""
        await self.contender.queue(self._fresh(1))
        await self.emulator.wait_sent(1, _WARM_S)
        await asyncio.sleep(_REST_S)

    async def _emptied(self) -> None:
        """What is kept is deleted soon after; until then the SIM is not as it was before."""

        async def empty() -> bool:
            return not await self.emulator.stored()

        await until(empty, _MOST_S)

    def _fresh(self, count: int) -> list[str]:
        self._texts += count
        return [f"message {number} of this run" for number in range(self._texts - count, self._texts)]


@asynccontextmanager
async def at_work(make: Callable[[Path, Path], Contender], home: Path) -> AsyncIterator[Bench]:
    """A contender at its own modem, both in `home`, ended when the block ends."""
    await asyncio.to_thread(home.mkdir, parents=True)
    emulator = Emulator(home)
    contender = make(home, emulator.device)
    await emulator.start()
    try:
        await contender.start()
        bench = Bench(contender, emulator)
        await bench.warm()
        yield bench
    finally:
        await contender.stop()
        await emulator.stop()
