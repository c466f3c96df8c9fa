"""A serial line on a pty: paced to its baud rate in both directions, reachable under a link, and unpluggable."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import Callable
from pathlib import Path

_PIECE = 32


class SerialLine:
    """The modem's end. `received` gets bytes after the time the wire needs for them."""

    def __init__(self, link: Path, baud: int, received: Callable[[bytes], None]) -> None:
        self._link, self._received = link, received
        self._byte_s = 10 / baud  # a start bit, eight data bits, a stop bit
        self._master, self._slave = -1, -1
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def plugged(self) -> bool:
        """Whether there is a line at all."""
        return self._master >= 0

    def plug(self) -> None:
        """Make a new pty and point the link at it."""
        self._master, self._slave = pty.openpty()
        # Kept open here, so that a program that ends does not hang the line up; raw, so that nothing is echoed.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._outgoing, self._incoming = asyncio.Queue(), asyncio.Queue()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._master, self._read)
        self._tasks = [loop.create_task(self._write_paced()), loop.create_task(self._read_paced())]
        self._link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._link.with_name(self._link.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self._link)

    async def unplug(self) -> None:
        """Hang the line up and take the link away; harmless when it is unplugged."""
        if not self.plugged:
            return
        self._link.unlink(missing_ok=True)
        asyncio.get_running_loop().remove_reader(self._master)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def write(self, data: bytes) -> None:
        """Put bytes on the wire; they are lost when it is unplugged."""
        if self.plugged:
            self._outgoing.put_nowait(data)

    async def drained(self) -> None:
        """Wait until all that was written has been on the wire."""
        await self._outgoing.join()

    def _read(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except BlockingIOError:
            return
        self._incoming.put_nowait(data)

    async def _read_paced(self) -> None:
        while True:
            data = await self._incoming.get()
            await asyncio.sleep(len(data) * self._byte_s)
            self._received(data)

    async def _write_paced(self) -> None:
        while True:
            data = await self._outgoing.get()
            for start in range(0, len(data), _PIECE):
                piece = data[start : start + _PIECE]
                await asyncio.sleep(len(piece) * self._byte_s)
                with contextlib.suppress(BlockingIOError):  # nobody reads: a wire does not wait
                    os.write(self._master, piece)
            self._outgoing.task_done()
