"""ICMP echo over raw sockets that are bound to one device and carry one mark; a target is an IPv4 or IPv6 address.

A reply counts only when it comes from the probed address and repeats our identifier, a sequence number in flight and
the random token sent with it; anything else (forged, truncated, duplicate, another process's) is ignored. The round
trip is measured to the kernel's receive timestamp (SO_TIMESTAMPNS), so that a busy daemon does not look like a slow
uplink. Opening needs CAP_NET_RAW. The socket of IPv6 is opened when the first such target is probed.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from edge.clock import Clock
from edge.config import Monitor
from edge.monitor.probe import NoDevice, NoPrivilege, ProbeResult, Report, Way
from edge.monitor.probes import echo
from edge.monitor.probes.bound import ANCILLARY_BYTES, Departure, arrived, bound, place, reason_of, stamp_arrivals

TOKEN_BYTES = 16
MOST_IN_FLIGHT = 4_096
MOST_PER_WAKE = 64  # a flood of foreign replies must not hold the loop

_SOL_RAW, _ICMP_FILTER = 255, 1  # linux/icmp.h: a set bit drops that type
_ICMP6_FILTER = 1  # linux/icmpv6.h, level IPPROTO_ICMPV6: likewise, 256 bits
_KEEP4 = struct.pack("=I", 0xFFFFFFFF & ~(1 << echo.ECHO_REPLY))
_KEEP6 = struct.pack(
    "=8I", *(0xFFFFFFFF & ~(1 << echo.ECHO6_REPLY % 32 if word == echo.ECHO6_REPLY // 32 else 0) for word in range(8))
)


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What differs between the two families."""

    protocol: int
    filter: tuple[int, int, bytes]
    encode: Callable[[int, int, bytes], bytes]
    decode: Callable[[bytes], echo.EchoReply | None]


_DIALECTS = {
    socket.AF_INET: _Dialect(
        socket.IPPROTO_ICMP, (_SOL_RAW, _ICMP_FILTER, _KEEP4), echo.encode_request, echo.decode_reply
    ),
    socket.AF_INET6: _Dialect(
        socket.IPPROTO_ICMPV6,
        (socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _KEEP6),
        echo.encode_request6,
        echo.decode_reply6,
    ),
}


@dataclass(frozen=True, slots=True)
class _Flight:
    serial: int
    target: str
    address: str
    token: bytes
    left: Departure


class IcmpProbe:
    """Echo requests by `way`; results go to `report`."""

    def __init__(self, way: Way, settings: Monitor, *, clock: Clock, report: Report) -> None:
        del settings  # an echo needs none
        self._way = way
        self._clock = clock
        self._report = report
        self._sockets: dict[int, socket.socket] = {}
        self._identifier = 0
        self._flights: dict[int, _Flight] = {}

    def open(self) -> None:
        """Open and bind the socket. Raises `NoPrivilege` without CAP_NET_RAW, `NoDevice` without the device."""
        self.close()
        self._identifier = secrets.randbits(16)
        self._add(socket.AF_INET)

    def close(self) -> None:
        """Close the sockets and forget what is in flight."""
        for sock in self._sockets.values():
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        self._sockets.clear()
        self._flights.clear()

    def send(self, serial: int, target: str) -> None:
        """Send one echo request; a failure to send is reported as a probe that failed."""
        if not self._sockets:
            self._report(ProbeResult(serial, target, None, "no-device"))
            return
        where = place(target)
        sequence = serial & 0xFFFF
        token = secrets.token_bytes(TOKEN_BYTES)
        packet = _DIALECTS[where.family].encode(self._identifier, sequence, token)
        left = Departure(self._clock.monotonic(), self._clock.wall())
        self._flights.pop(sequence, None)
        self._flights[sequence] = _Flight(serial, target, where.address, token, left)
        if len(self._flights) > MOST_IN_FLIGHT:
            del self._flights[next(iter(self._flights))]
        try:
            sock = self._sockets.get(where.family) or self._add(where.family)
            sock.sendto(packet, where.sockaddr)
        except NoDevice:
            del self._flights[sequence]
            self._report(ProbeResult(serial, target, None, "no-device"))
        except NoPrivilege:
            del self._flights[sequence]
            self._report(ProbeResult(serial, target, None, "refused"))
        except OSError as error:
            del self._flights[sequence]
            self._report(ProbeResult(serial, target, None, reason_of(error)))

    def _add(self, family: socket.AddressFamily) -> socket.socket:
        dialect = _DIALECTS[family]
        sock = bound(self._way, family, socket.SOCK_RAW, dialect.protocol)
        sock.setsockopt(*dialect.filter)
        stamp_arrivals(sock)
        asyncio.get_running_loop().add_reader(sock, self._readable, sock, dialect.decode)
        self._sockets[family] = sock
        return sock

    def _readable(self, sock: socket.socket, decode: Callable[[bytes], echo.EchoReply | None]) -> None:
        for _ in range(MOST_PER_WAKE):
            try:
                packet, ancillary, _, sender = sock.recvmsg(2_048, ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                return  # the device went away: its link state tells, and the socket is opened anew
            reply = decode(packet)
            if reply is not None:
                self._received(reply, sender[0].partition("%")[0], arrived(ancillary))
            if sock.fileno() < 0:
                return

    def _received(self, reply: echo.EchoReply, sender: str, received: float | None) -> None:
        flight = self._flights.get(reply.sequence)
        if flight is None or reply.identifier != self._identifier:
            return
        if flight.address != sender or flight.token != reply.payload:
            return
        del self._flights[reply.sequence]
        elapsed = flight.left.elapsed(monotonic=self._clock.monotonic(), arrived=received)
        self._report(ProbeResult(flight.serial, flight.target, elapsed * 1_000))
