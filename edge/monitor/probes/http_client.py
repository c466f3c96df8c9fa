"""One GET by one way: the name is asked of the uplink's own resolvers, the socket is bound, everything has a limit.

TLS certificates are checked against the system's authorities.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from edge.monitor.probe import Way
from edge.monitor.probes.bound import Place, bound, place
from edge.monitor.probes.dns import lookup
from edge.monitor.probes.http_message import Address, Response, encode_get

READ_BYTES = 16_384
MOST_ADDRESSES = 4
CONNECT_S = 3.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class UnresolvedError(Exception):
    """No resolver of the uplink told an address of the host."""


async def get(
    way: Way, address: Address, response: Response, *, most: int, arrived: Callable[[], None] | None = None
) -> None:
    """Ask for `address` and feed `response` until it is complete or `most` bytes have come.

    `arrived` is called after each piece; the time is the caller's to limit. Raises `UnresolvedError`,
    `MalformedError`, `NoDevice`, `NoPrivilege`, ssl.SSLError or OSError.
    """
    received = 0
    async with _connected(way, address) as (reader, writer):
        writer.write(encode_get(address))
        while not response.complete and received < most:
            data = await reader.read(READ_BYTES)
            if not data:
                response.end()
                return
            received += len(data)
            response.feed(data)
            if arrived:
                arrived()


@asynccontextmanager
async def _connected(way: Way, address: Address) -> AsyncIterator[Streams]:
    context = await asyncio.to_thread(authorities) if address.secure else None
    sock = await _connect(way, await _places(way, address))
    try:
        reader, writer = await asyncio.open_connection(
            sock=sock, limit=READ_BYTES, ssl=context, server_hostname=address.host if context else None
        )
    except BaseException:
        sock.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _places(way: Way, address: Address) -> list[Place]:
    try:
        return [place(f"[{address.host}]:{address.port}")]
    except ValueError:
        found = await lookup(way, address.host)
    if not found:
        raise UnresolvedError(address.host)
    return [place(text, address.port) for text in found[:MOST_ADDRESSES]]


async def _connect(way: Way, places: list[Place]) -> socket.socket:
    """A connection to the first of `places` that takes one; the last one's error where none does."""
    last = places[-1]
    for where in places:
        try:
            return await _connect_to(way, where)
        except (OSError, TimeoutError):
            if where is last:
                raise
    raise AssertionError("no place to connect to")


async def _connect_to(way: Way, where: Place) -> socket.socket:
    sock = bound(way, where.family, socket.SOCK_STREAM)
    try:
        async with asyncio.timeout(CONNECT_S):
            await asyncio.get_running_loop().sock_connect(sock, where.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


@functools.cache
def authorities() -> ssl.SSLContext:
    """The system's certificate authorities, read once: it takes some 30 ms and 1 MB, so only where https is asked."""
    return ssl.create_default_context()
