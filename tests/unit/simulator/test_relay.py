"""The way of the page out of the village."""

import asyncio
from pathlib import Path

from edge.simulator.relay import forward, join


async def test_bytes_pass_both_ways(tmp_path: Path) -> None:
    """The office's page would not open in a browser outside the village."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    path = tmp_path / "page.sock"
    far = await asyncio.start_unix_server(shout, path)
    near = await asyncio.start_server(lambda r, w: forward(r, w, path), "127.0.0.1", 0)
    async with far, near:
        reader, writer = await asyncio.open_connection(*near.sockets[0].getsockname())
        writer.write(b"permohonan" * 20_000)
        writer.write_eof()
        assert await reader.read() == b"PERMOHONAN" * 20_000
        writer.close()


async def test_a_caller_before_the_village_stands_is_sent_away(tmp_path: Path) -> None:
    """A browser opened too early would hang."""
    near = await asyncio.start_server(lambda r, w: forward(r, w, tmp_path / "none"), "127.0.0.1", 0)
    async with near:
        reader, writer = await asyncio.open_connection(*near.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()


async def test_join_ends_when_both_sides_are_done() -> None:
    """Every page opened would leave a task and two sockets behind."""
    async with await asyncio.start_server(lambda r, w: join(r, w, r, w), "127.0.0.1", 0) as echo:
        reader, writer = await asyncio.open_connection(*echo.sockets[0].getsockname())
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
