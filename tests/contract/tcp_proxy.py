"""A TCP relay that misbehaves on order: what a broken link does to any protocol, whoever speaks it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

Fault = Literal["ok", "silent", "garbage", "lose_answer"]
_CAPTIVE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>WiFi</title><h1>Silakan masuk</h1>\r\n"


class Proxy:
    """Relays to `port`. lose_answer: what is said after `mark` arrives, and its answer does not.

    `lies` are bytes of an answer and as many others that take their place.
    """

    def __init__(self, port: int, mark: bytes) -> None:
        self.fault: Fault = "ok"
        self.lies: tuple[bytes, bytes] = (b"", b"")
        self.port = 0
        self._target = port
        self._mark = mark
        self._marked: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault == "garbage":
            writer.write(_CAPTIVE)
            writer.close()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        up = asyncio.create_task(self._copy(reader, far_writer, up=True))
        down = asyncio.create_task(self._copy(far_reader, writer, up=False, beside=far_writer))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (writer, far_writer):
                end.transport.abort()
            up.cancel()
            down.cancel()
            self._marked.discard(far_writer)

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        up: bool,
        beside: asyncio.StreamWriter | None = None,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if self.fault == "silent":
                    continue
                if self.fault == "garbage":
                    writer.write(_CAPTIVE)
                    return
                if up and self._mark in data:
                    self._marked.add(writer)
                if not up and self.fault == "lose_answer" and beside in self._marked:
                    return
                truth, lie = self.lies
                writer.write(data.replace(truth, lie) if truth and not up else data)
                await writer.drain()
