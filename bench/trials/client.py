"""Clients in the village that know nothing of the box: python -m bench.trials.client KIND ..., one JSON line an event.

Each is a process of its own in its host's namespace. Times are of CLOCK_MONOTONIC, which all processes share
(clock_gettime(2)). A line is ``[begun, ended, said]``: `ended` is null where no answer came, `said` what it was.

=========== ==================================================================================================
requests    a new HTTP request by address every interval, whatever became of the ones before
names       the same by a name nobody asked for before, resolved by the box's own resolver
session     one TCP connection, a question every interval; reset or out of patience, it connects and asks again
train       a numbered datagram to an echo server every interval
=========== ==================================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

PATIENCE_S = 5.0
_ECHO_PATIENCE_S = 2.0
_PATH = "/whoami/4000"  # several packets wide, so that a narrow line shows
_RESOLVE_AGAIN_S = 1.0
_CONNECT_AGAIN_S = 0.1


def tell(begun: float, ended: float | None, said: str) -> None:
    """Print one event."""
    print(json.dumps([begun, ended, said]), flush=True)


async def fetch(address: str) -> str:
    """The address that the web server at `address` saw this request come from; "" for any other answer."""
    reader, writer = await asyncio.open_connection(address, 80)
    try:
        writer.write(f"GET {_PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.transport.abort()
    if not head.startswith(b"HTTP/1.1 200"):
        return ""
    with contextlib.suppress(ValueError, KeyError, TypeError):  # a login page is no answer
        return str(json.loads(body)["you"])
    return ""


async def resolve(resolver: str, name: str) -> str:
    """The IPv4 address of `name`, asked of `resolver` again every second as stub resolvers do (RFC 1035 4.2.1)."""
    loop = asyncio.get_running_loop()
    number = os.urandom(2)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = number + b"\x01\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((resolver, 53))
        while True:
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                async with asyncio.timeout(_RESOLVE_AGAIN_S):
                    await loop.sock_sendall(sock, question)
                    answer = await loop.sock_recv(sock, 512)
                    if answer[:2] == number and struct.unpack("!H", answer[6:8])[0]:
                        return socket.inet_ntoa(answer[-4:])
                    await asyncio.sleep(_RESOLVE_AGAIN_S)


async def _attempt(work: Callable[[], Awaitable[str]]) -> None:
    begun = time.monotonic()
    said = ""
    with contextlib.suppress(OSError, TimeoutError, EOFError):
        async with asyncio.timeout(PATIENCE_S):
            said = await work()
    tell(begun, time.monotonic() if said else None, said)


async def _every(interval_s: float, start: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Start number after number at a steady pace, never waiting for one to end."""
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            group.create_task(start(number))
            await asyncio.sleep(max(0.0, begun + (number + 1) * interval_s - time.monotonic()))


async def requests(interval_s: float, address: str) -> None:
    """Ask the web server at `address` for ever."""
    await _every(interval_s, lambda _: _attempt(lambda: fetch(address)))


async def names(interval_s: float, resolver: str, parent: str) -> None:
    """Ask for a fresh name below `parent`, then ask the web server there, for ever."""
    mine = f"{os.getpid():x}"

    async def once(number: int) -> str:
        return await fetch(await resolve(resolver, f"r{mine}x{number}.{parent}"))

    await _every(interval_s, lambda number: _attempt(lambda: once(number)))


async def session(interval_s: float, address: str, port: str) -> None:
    """Hold one connection and ask on it for ever; `said` is ``same``, or ``again`` after a new connection."""
    said, begun = "again", time.monotonic()
    while True:
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = await asyncio.open_connection(address, int(port))
        except (OSError, TimeoutError):
            await asyncio.sleep(_CONNECT_AGAIN_S)
            continue
        try:
            while True:
                writer.write(b"still there?\n")
                # Without patience it would wait for ever where its question was heard and the answer was lost:
                # it has nothing left to send again, so nobody can reset it.
                async with asyncio.timeout(PATIENCE_S):
                    await reader.readuntil(b"\n")
                tell(begun, time.monotonic(), said)
                said = "same"
                await asyncio.sleep(interval_s)
                begun = time.monotonic()
        except (OSError, EOFError, TimeoutError):
            said = "again"
        finally:
            writer.transport.abort()


async def train(interval_s: float, address: str, port: str) -> None:
    """Send numbered datagrams and tell each one's fate, in the order of their answers or after the patience."""
    loop = asyncio.get_running_loop()
    sent = dict[int, float]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((address, int(port)))

        def hear() -> None:
            with contextlib.suppress(OSError):  # an ICMP error is a loss, and the patience tells it
                begun = sent.pop(int(sock.recv(64)), None)
                if begun is not None:
                    tell(begun, time.monotonic(), "echo")

        async def send(number: int) -> None:
            sent[number] = time.monotonic()
            with contextlib.suppress(OSError):
                sock.send(str(number).encode())
            await asyncio.sleep(_ECHO_PATIENCE_S)
            if (begun := sent.pop(number, None)) is not None:
                tell(begun, None, "")

        loop.add_reader(sock, hear)
        await _every(interval_s, send)


KINDS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "requests": requests,
    "names": names,
    "session": session,
    "train": train,
}


def main() -> None:
    """KIND INTERVAL_S ARGUMENT..."""
    kind, interval_s, *rest = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(KINDS[kind](float(interval_s), *rest))


if __name__ == "__main__":
    main()
