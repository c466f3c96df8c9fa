"""Carries the office's page out of the village: host TCP -> a Unix socket -> the box's web server in its namespace."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from edge.simulator import netns

_BLOCK = 1 << 16
_PATIENCE_S, _AGAIN_S = 10.0, 0.1  # the daemon opens its store before its page


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: Path) -> None:
    """Join a caller to the Unix socket at `path`; one that comes before the village stands is sent away."""
    try:
        far_reader, far_writer = await asyncio.open_unix_connection(path)
    except OSError:
        writer.close()
        return
    await join(reader, writer, far_reader, far_writer)


async def doorway(path: Path, namespace: str, address: str, port: int) -> asyncio.Server:
    """Serve the Unix socket at `path`: each caller reaches `address` and `port` from within `namespace`.

    Whoever comes before anybody listens there waits for it, at most 10 s.
    """

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await _reached(namespace, address, port)
        except OSError:
            writer.close()
            return
        await join(reader, writer, far_reader, far_writer)

    return await asyncio.start_unix_server(enter, path)


async def _reached(namespace: str, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                return await netns.connect(namespace, address, port)
            await asyncio.sleep(_AGAIN_S)


async def join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until both sides are done."""
    await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
    for each in (writer, far_writer):
        each.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
