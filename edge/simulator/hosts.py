"""What the village talks to: a web server that tells callers their address, a name server, and doors to knock at."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import cast

from edge.simulator import netns

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_CHUNK = bytes(16 * 1024)
_MOST_BYTES = 1 << 30
_MOST_PADDING = 64 * 1024
_LOGIN = b"<html><title>Login</title>Voucher anda habis. Silakan masuk.</html>"
BANNER = b"kampung\n"


async def serve(
    namespace: str, address: str, port: int, each: Serve, family: socket.AddressFamily = socket.AF_INET
) -> asyncio.Server:
    """Accept connections to `address` and `port` in `namespace`, each handled by `each` and then closed."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A caller that goes away, or a line that dies under it, is the village's daily life.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            await each(reader, writer)
        writer.close()

    return await asyncio.start_server(handle, sock=netns.listener(namespace, address, port, family=family))


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP/1.1, one request a connection: ``/whoami`` tells the caller's address, ``/bytes/N`` sends N bytes.

    ``/whoami/N`` makes that answer N bytes longer; ``/generate_204`` is the empty answer that checks look for.
    """
    request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    path = request.split(" ", 2)[1]
    if path.startswith("/bytes/"):
        await _send_bytes(writer, min(int(path.removeprefix("/bytes/")), _MOST_BYTES))
        return
    status, body = _answer(path, writer.get_extra_info("peername")[0])
    writer.write(_head(status, len(body)) + body)
    await writer.drain()


def _answer(path: str, caller: str) -> tuple[str, bytes]:
    what, _, more = path.removeprefix("/").partition("/")
    if what == "whoami":
        padding = bytes(min(int(more or 0), _MOST_PADDING)).replace(b"\0", b" ")
        return "200 OK", json.dumps({"you": caller}).encode() + padding
    return ("204 No Content" if what == "generate_204" else "404 Not Found"), b""


async def login(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A provider's login page, whatever is asked for: what a captive portal answers in another's name."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_head("200 OK", len(_LOGIN)) + _LOGIN)
    await writer.drain()


async def _send_bytes(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(_head("200 OK", size))
    while size > 0:
        writer.write(_CHUNK[:size])
        size -= len(_CHUNK)
        await writer.drain()


def _head(status: str, size: int) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode()


async def door(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A service that greets whoever gets through, as ssh does."""
    del reader
    writer.write(BANNER)
    await writer.drain()


class NameServer(asyncio.DatagramProtocol):
    """Answers A questions for `names` and says that other names do not exist (RFC 1035 section 4.1).

    ``*.parent`` stands for every name right below ``parent`` (RFC 4592), so that no cache can answer for the server.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport that answers go out by."""
        # asyncio's own datagram transport is no subclass of DatagramTransport in Python 3.11.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question; what is no question is dropped."""
        with contextlib.suppress(IndexError, UnicodeDecodeError):
            answer = answer_dns(data, self._names)
            if answer and self._transport:
                self._transport.sendto(answer, addr)


def answer_dns(query: bytes, names: dict[str, str]) -> bytes:
    """The response to a DNS query message, or b"" when it holds no question. Raises IndexError when cut short."""
    if len(query) < 12 or query[4:6] == b"\0\0":
        return b""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    question, kind = query[12 : at + 5], query[at + 1 : at + 3]
    address = names.get(".".join(labels)) or names.get(".".join(["*", *labels[1:]]))
    found = address is not None and kind == b"\0\1"
    flags = b"\x81\x80" if address is not None else b"\x81\x83"
    head = query[:2] + flags + b"\0\1" + (b"\0\1" if found else b"\0\0") + b"\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(address) if found and address else b""
    return head + question + record


async def name_server(namespace: str, address: str, names: dict[str, str]) -> asyncio.DatagramTransport:
    """Serve `names` at `address` port 53 in `namespace`."""
    sock = netns.listener(namespace, address, 53, kind=socket.SOCK_DGRAM)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: NameServer(names), sock=sock)
    return transport
