"""The provider's name server and web servers, in namespace `pde`, answering as a test wants them to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tests.lab.monitor_lab import GATEWAY, TARGETS
from tests.lab.namespaces import inside

HOST = TARGETS[0]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def listening(family: int, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen()
    return sock


@contextmanager
def resolver(play: Callable[[bytes], list[bytes]], *, source: str = GATEWAY) -> Iterator[list[bytes]]:
    """Let the gateway answer queries by `play`, from `source`; yields the queries."""

    def make(address: str) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind((address, 53))
        return sock

    hears = inside("pde", lambda: make(GATEWAY))
    says = hears if source == GATEWAY else inside("pde", lambda: make(source))
    seen: list[bytes] = []

    def readable() -> None:
        query, sender = hears.recvfrom(2_048)
        seen.append(query)
        for reply in play(query):
            says.sendto(reply, sender)

    loop = asyncio.get_running_loop()
    loop.add_reader(hears, readable)
    try:
        yield seen
    finally:
        loop.remove_reader(hears)
        hears.close()
        says.close()


def told(query: bytes, address: str = HOST, *, flags: int = 0x8180) -> bytes:
    """The true answer to `query`: one address."""
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
    return query[:2] + struct.pack("!5H", flags, 1, 1, 0, 0) + query[12:] + record


@contextmanager
def served(sock: socket.socket, talk: Talk, context: ssl.SSLContext | None = None) -> Iterator[None]:
    """Let `talk` answer every connection to `sock` meanwhile."""
    servers: list[asyncio.Server] = []

    async def serve() -> None:
        servers.append(await asyncio.start_server(talk, sock=sock, ssl=context))

    task = asyncio.get_running_loop().create_task(serve())
    try:
        yield
    finally:
        task.cancel()
        for server in servers:
            server.close()


@contextmanager
def serving(
    answer: bytes, *, port: int = 80, address: str = HOST, context: ssl.SSLContext | None = None
) -> Iterator[list[bytes]]:
    """Let `address` answer every connection's first bytes by `answer`, then close; yields the requests."""
    sock = inside("pde", lambda: listening(socket.AF_INET, address, port))
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    with served(sock, talk, context):
        yield seen
