"""The transport of one device (RFC 3417, section 3): what pysnmp calls a dispatcher, over one connected UDP socket.

The kernel drops what comes from another address or port. What the device's own address sends is let in only as far as
requests went out, and only up to a size that takes milliseconds to decode: a flood costs one recv a packet. Time-outs
count this loop's monotonic time, so that a wall clock that jumps neither fires nor stops them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Self

from pysnmp.carrier.asyncio.dgram.udp import UdpTransportAddress

TICK_S = 0.1
MOST_BYTES = 4_096  # an honest answer to our questions has a few hundred
MOST_PER_REQUEST = 4  # a report for discovery, one for the time window, the answer, and one late answer
DOMAIN = (1, 3, 6, 1, 6, 1, 1)  # snmpUDPDomain; the socket knows the way, so that IPv6 needs no other
ADDRESS = ("127.0.0.1", 161)  # a name for the only peer there is


class Wire(asyncio.DatagramProtocol):
    """Carries one device's datagrams while it is open. `failed` is told what the kernel says of the way there."""

    ADDRESS_TYPE = UdpTransportAddress  # pysnmp makes the address it sends to from it

    def __init__(self, failed: Callable[[OSError], None]) -> None:
        self.heard = 0
        self.malformed = 0
        self._failed = failed
        self._allowed = 0
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._receive: Callable[..., None] = _nobody
        self._tick: Callable[[float], None] = _nobody

    async def open(self, sock: socket.socket) -> None:
        """Use `sock`, which is connected to the device, until closed."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)
        self._timer = loop.call_later(TICK_S, self._turn)

    def close(self) -> None:
        """Close the socket and stop the time."""
        if self._timer:
            self._timer.cancel()
        if self._transport:
            self._transport.close()
        self._timer = self._transport = None
        self._allowed = 0

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(TICK_S, self._turn)
        self._ticks += 1
        self._guarded(self._tick, loop.time())

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:  # noqa: ARG002  # asyncio's signature
        """Hand an answer to pysnmp."""
        if self._allowed <= 0 or len(data) > MOST_BYTES:
            return
        self._allowed -= 1
        self.heard += 1
        self._guarded(self._receive, self, DOMAIN, ADDRESS, data)

    def _guarded(self, call: Callable[..., None], *args: object) -> None:
        try:
            call(*args)
        except Exception:  # hostile bytes reach every corner of the decoder: whatever it raises, they are no answer
            self.malformed += 1

    def error_received(self, exc: OSError) -> None:  # type: ignore[override]  # asyncio passes nothing but OSError
        """An ICMP error came back, or a datagram could not leave."""
        self._failed(exc)

    # ---- what pysnmp's engine asks of its dispatcher ----

    def register_recv_callback(self, receive: Callable[..., None], name: object = None) -> None:  # noqa: ARG002
        """Where datagrams go."""
        self._receive = receive

    def register_timer_callback(self, tick: Callable[[float], None], interval: object = None) -> None:  # noqa: ARG002
        """Who is told of every tick."""
        self._tick = tick

    def get_transport(self, domain: object) -> Self:  # noqa: ARG002
        """There is one transport, this."""
        return self

    def get_timer_ticks(self) -> int:
        """Ticks so far."""
        return self._ticks

    def get_timer_resolution(self) -> float:
        """Seconds a tick."""
        return TICK_S

    def job_started(self, job: object, count: int = 1) -> None:
        """Nothing waits for jobs here."""

    def job_finished(self, job: object, count: int = 1) -> None:
        """Nothing waits for jobs here."""

    def send_message(self, message: bytes, domain: object, address: object) -> None:  # noqa: ARG002
        """Send a request; what does not leave is lost, as any datagram may be."""
        self._allowed = min(self._allowed + MOST_PER_REQUEST, 2 * MOST_PER_REQUEST)
        if self._transport:
            self._transport.sendto(message)


def _nobody(*_: object) -> None:
    """No engine listens yet."""
