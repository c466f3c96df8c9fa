"""A serial line on a pty: paced to its baud rate in both directions, reachable under a link, unpluggable, and spoilt.

What a line may be like is a row of `LINES`: whole, one byte at a time, slow, delayed, or noisy.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import random
import tty
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

_READ = 4096


@dataclass(frozen=True, slots=True)
class Kind:
    """What a line does to what it carries.

    `piece`: bytes a write; `pause_s`: the least time between two of them; `baud` overrules the line's own rate.
    `delay_s`: least and most by which each way is late. `noise`: share of bytes replaced, and of lines lost.
    """

    piece: int = 32
    pause_s: float = 0.0
    baud: int | None = None
    delay_s: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.0


LINES: Mapping[str, Kind] = MappingProxyType(
    {
        "whole": Kind(),
        "bytes": Kind(piece=1, pause_s=0.0005),
        "slow": Kind(baud=1200, piece=4),
        "delayed": Kind(delay_s=(0.05, 0.2)),  # question and answer: 100 to 400 ms
        "noisy": Kind(noise=0.01),
    }
)


class SerialLine:
    """The modem's end. `received` gets bytes after the time the wire needs for them."""

    def __init__(
        self, link: Path, baud: int, received: Callable[[bytes], None], *, kind: str = "whole", seed: int = 0
    ) -> None:
        self.link, self._received = link, received
        self._baud = baud
        self.kind = LINES[kind]
        self._random = random.Random(seed)  # noqa: S311 - noise on a wire, no secret
        self._master, self._slave = -1, -1
        self._outgoing: _Wire | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def plugged(self) -> bool:
        """Whether there is a line at all."""
        return self._master >= 0

    @property
    def byte_s(self) -> float:
        """The time of one byte: a start bit, eight data bits, a stop bit."""
        return 10 / (self.kind.baud or self._baud)

    def plug(self) -> None:
        """Make a new pty and point the link at it."""
        self._master, self._slave = pty.openpty()
        # Kept open here, so that a program that ends does not hang the line up; raw, so that nothing is echoed.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._outgoing, incoming = _Wire(self, self._write), _Wire(self, self._received)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._master, self._read, incoming)
        self._tasks = [loop.create_task(self._outgoing.carry()), loop.create_task(incoming.carry())]
        self.link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.link.with_name(self.link.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self.link)

    async def unplug(self) -> None:
        """Hang the line up and take the link away; harmless when it is unplugged."""
        if not self.plugged:
            return
        self.link.unlink(missing_ok=True)
        asyncio.get_running_loop().remove_reader(self._master)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self._outgoing = None

    def write(self, data: bytes) -> None:
        """Put bytes on the wire; they are lost when it is unplugged."""
        if self._outgoing is not None:
            self._outgoing.put(data)

    async def drained(self) -> None:
        """Wait until all that was written has been on the wire."""
        if self._outgoing is not None:
            await self._outgoing.drained()

    def spoil(self, data: bytes) -> bytes:
        """What is left of `data` after the noise: whole lines lost, single bytes replaced."""
        share = self.kind.noise
        if not share:
            return data
        kept = b"".join(line for line in data.splitlines(keepends=True) if self._random.random() >= share)
        return bytes(self._random.randrange(256) if self._random.random() < share else byte for byte in kept)

    def lateness(self) -> float:
        """By how much the next bundle is late."""
        return self._random.uniform(*self.kind.delay_s)

    def _read(self, incoming: _Wire) -> None:
        try:
            data = os.read(self._master, _READ)
        except BlockingIOError:
            return
        incoming.put(data)

    def _write(self, piece: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: a wire does not wait
            os.write(self._master, piece)


class _Wire:
    """One direction. Its pace is kept by deadlines, so that the timer's coarseness does not add up."""

    def __init__(self, line: SerialLine, deliver: Callable[[bytes], None]) -> None:
        self._line, self._deliver = line, deliver
        self._loop = asyncio.get_running_loop()
        self._bundles: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    def put(self, data: bytes) -> None:
        self._bundles.put_nowait((self._loop.time() + self._line.lateness(), self._line.spoil(data)))

    async def drained(self) -> None:
        await self._bundles.join()

    async def carry(self) -> None:
        free = 0.0
        while True:
            begin, data = await self._bundles.get()
            free = max(free, begin)
            for piece in self._pieces(data):
                free += len(piece) * self._line.byte_s
                wait = max(free - self._loop.time(), self._line.kind.pause_s)
                if wait > 0:
                    await asyncio.sleep(wait)
                self._deliver(piece)
            self._bundles.task_done()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self._line.kind.piece
        return (data[start : start + size] for start in range(0, len(data), size))
