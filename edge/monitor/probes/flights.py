"""Sockets in flight, one a probe: bounded in number, each closed when it is done or has waited long enough."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

MOST_IN_FLIGHT = 64


class Flights:
    """Holds sockets for at most `limit_s` seconds each, and at most `most` of them."""

    def __init__(self, limit_s: float, *, most: int = MOST_IN_FLIGHT) -> None:
        self._limit_s = limit_s
        self._most = most
        self._timers: dict[socket.socket, asyncio.TimerHandle] = {}

    @property
    def full(self) -> bool:
        """Whether no other socket may be added."""
        return len(self._timers) >= self._most

    def await_read(self, sock: socket.socket, ready: Callable[[], None]) -> None:
        """Hold `sock` and call `ready` whenever it can be read."""
        asyncio.get_running_loop().add_reader(sock, ready)
        self._hold(sock)

    def await_write(self, sock: socket.socket, ready: Callable[[], None]) -> None:
        """Hold `sock` and call `ready` when it can be written, which ends a connect()."""
        asyncio.get_running_loop().add_writer(sock, ready)
        self._hold(sock)

    def end(self, sock: socket.socket) -> None:
        """Close `sock`; one that ended already stays ended."""
        timer = self._timers.pop(sock, None)
        if timer is not None:
            timer.cancel()
            loop = asyncio.get_running_loop()
            loop.remove_reader(sock)
            loop.remove_writer(sock)
            sock.close()

    def close(self) -> None:
        """Close every socket."""
        for sock in tuple(self._timers):
            self.end(sock)

    def _hold(self, sock: socket.socket) -> None:
        self._timers[sock] = asyncio.get_running_loop().call_later(self._limit_s, self.end, sock)
