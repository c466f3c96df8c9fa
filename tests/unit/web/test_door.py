"""How many connections may be open, over real sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge.web.door import Door
from tests.unit.web.serving import once


class Greeter(asyncio.Protocol):
    """Says hello to whoever is let in."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")


@asynccontextmanager
async def listening(*, most: int, most_each: int) -> AsyncIterator[int]:
    door = Door(Greeter, most=most, most_each=most_each)
    server = await asyncio.get_running_loop().create_server(door.protocol, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def knock(port: int, *, source: str = "127.0.0.1") -> tuple[bytes, asyncio.StreamWriter]:
    """Connect; what was said, and the writer that keeps the connection open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        async with asyncio.timeout(60):
            return await reader.read(5), writer
    except ConnectionResetError:
        return b"", writer


async def test_a_connection_too_many_is_dropped_and_a_place_freed_is_taken() -> None:
    """Idle connections would pile up until memory ends, or a place once lost would never come back."""
    async with listening(most=2, most_each=2) as port:
        held = [await knock(port) for _ in range(2)]
        assert [said for said, _ in held] == [b"hello", b"hello"]
        assert (await knock(port))[0] == b""
        held[0][1].close()
        await held[0][1].wait_closed()
        again = b""
        async with asyncio.timeout(60):
            while again != b"hello":
                again, _ = await knock(port)


async def test_one_address_cannot_take_every_place() -> None:
    """A faulty machine of the office would shut out all others."""
    async with listening(most=3, most_each=2) as port:
        greedy = [await knock(port, source="127.0.0.2") for _ in range(3)]
        assert [said for said, _ in greedy] == [b"hello", b"hello", b""]
        assert (await knock(port, source="127.0.0.3"))[0] == b"hello"


async def test_crowding_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A flood of connections would flood the journal too."""
    caplog.set_level(logging.INFO, "edge.web")
    async with listening(most=2, most_each=2) as port:
        held = [await knock(port) for _ in range(2)]
        for _ in range(5):
            await knock(port)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(60):
            while (await knock(port))[0] != b"hello":
                pass
        await once(lambda: len(caplog.records) == 2)
        assert "takes new connections again" in caplog.text
