"""The door: how many connections may be open, in all and from one address; one too many is dropped at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

log = logging.getLogger("edge.web")


class Door:
    """Hands a new connection to a protocol of `handlers`, or aborts it when `most` or `most_each` are open already."""

    def __init__(self, handlers: Callable[[], asyncio.Protocol], *, most: int, most_each: int) -> None:
        self._handlers = handlers
        self._most = most
        self._most_each = most_each
        self._open: list[tuple[str, asyncio.Transport]] = []
        self._crowded = False

    def protocol(self) -> asyncio.Protocol:
        """The protocol of one new connection."""
        return _Arrival(self)

    def enter(self, transport: asyncio.Transport) -> None:
        """Let a connection in or drop it. Whoever tries again with the same Idempotency-Key loses nothing."""
        self._open = [entry for entry in self._open if not _closed(entry[1])]
        peer = (transport.get_extra_info("peername") or ("",))[0]
        if len(self._open) >= self._most or sum(address == peer for address, _ in self._open) >= self._most_each:
            self._say_crowded(True)
            transport.abort()
            return
        self._say_crowded(False)
        self._open.append((peer, transport))
        handler = self._handlers()
        transport.set_protocol(handler)
        handler.connection_made(transport)

    def _say_crowded(self, crowded: bool) -> None:
        if crowded and not self._crowded:
            log.warning("too many connections to the web server (%d open): dropping new ones", len(self._open))
        elif self._crowded and not crowded and len(self._open) < self._most // 2:
            log.info("the web server takes new connections again")
        else:
            return
        self._crowded = crowded


class _Arrival(asyncio.Protocol):
    """Stands at the door until the connection is made, then steps aside."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._door.enter(cast(asyncio.Transport, transport))


def _closed(transport: asyncio.Transport) -> bool:
    """Whether the socket is gone: a transport that still flushes to a peer that takes nothing counts as open."""
    return bool(transport.get_extra_info("socket").fileno() == -1)
