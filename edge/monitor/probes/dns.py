"""One DNS query to one resolver by UDP (RFC 1035, 4.2.1); a target is the resolver's address.

The question is `monitor.dns_name`. Each query has a socket of its own, so that the kernel picks a new source port, and
a random identifier; an answer counts only from the resolver's address, with our identifier and our question. NOERROR
and NXDOMAIN are answers; SERVFAIL, REFUSED and other errors are failures of the resolver ("dns-error").
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass

from edge.clock import Clock
from edge.config import Monitor
from edge.monitor.probe import NoDevice, NoPrivilege, ProbeResult, Reason, Report, Way
from edge.monitor.probes.bound import ANCILLARY_BYTES, Departure, arrived, bound, place, reason_of, stamp_arrivals
from edge.monitor.probes.dns_message import MOST_BYTES, NOERROR, NXDOMAIN, decode_answer, encode_query
from edge.monitor.probes.flights import Flights

PORT = 53
LIMIT_S = 5.0
LOOKUP_TRY_S = 1.5
MOST_PER_WAKE = 16


@dataclass(frozen=True, slots=True)
class _Query:
    serial: int
    target: str
    identifier: int
    left: Departure


class DnsProbe:
    """Asks resolvers by `way`; results go to `report`."""

    def __init__(self, way: Way, settings: Monitor, *, clock: Clock, report: Report) -> None:
        self._way = way
        self._name = settings.dns_name
        self._clock = clock
        self._report = report
        self._flights = Flights(LIMIT_S)
        self._opened = False

    def open(self) -> None:
        """See that sockets can be bound. Raises `NoPrivilege` or `NoDevice`."""
        self.close()
        bound(self._way, socket.AF_INET, socket.SOCK_DGRAM).close()
        self._opened = True

    def close(self) -> None:
        """Forget every query."""
        self._opened = False
        self._flights.close()

    def send(self, serial: int, target: str) -> None:
        """Send one query; a failure to send is reported."""
        if not self._opened:
            return self._failed(serial, target, "no-device")
        if self._flights.full:
            return self._failed(serial, target, "too-many")
        query = _Query(serial, target, secrets.randbits(16), Departure(self._clock.monotonic(), self._clock.wall()))
        try:
            sock = _asking(self._way, target, query.identifier, self._name)
        except (NoDevice, NoPrivilege, OSError) as error:
            return self._failed(serial, target, reason_of(error) if isinstance(error, OSError) else "no-device")
        self._flights.await_read(sock, lambda: self._readable(sock, query))
        return None

    def _readable(self, sock: socket.socket, query: _Query) -> None:
        for _ in range(MOST_PER_WAKE):
            try:
                packet, ancillary, _, _ = sock.recvmsg(MOST_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._flights.end(sock)
                self._failed(query.serial, query.target, reason_of(error))
                return
            answer = decode_answer(packet, query.identifier, self._name)
            if answer is not None:
                self._flights.end(sock)
                elapsed = query.left.elapsed(monotonic=self._clock.monotonic(), arrived=arrived(ancillary))
                self._settle(query, answer.rcode, elapsed)
                return

    def _settle(self, query: _Query, rcode: int, elapsed: float) -> None:
        if rcode in (NOERROR, NXDOMAIN):
            self._report(ProbeResult(query.serial, query.target, elapsed * 1_000))
        else:
            self._failed(query.serial, query.target, "dns-error")

    def _failed(self, serial: int, target: str, reason: Reason) -> None:
        self._report(ProbeResult(serial, target, None, reason))


async def lookup(way: Way, name: str) -> tuple[str, ...]:
    """The IPv4 addresses of `name`, asked of the way's resolvers in turn until one tells some; () when none does.

    Raises `NoDevice`, `NoPrivilege` or, for a name that is none, ValueError.
    """
    for resolver in way.resolvers:
        try:
            async with asyncio.timeout(LOOKUP_TRY_S):
                addresses = await _ask(way, resolver, name)
        except (OSError, TimeoutError):
            continue
        if addresses:
            return addresses
    return ()


async def _ask(way: Way, resolver: str, name: str) -> tuple[str, ...]:
    identifier = secrets.randbits(16)
    with _asking(way, resolver, identifier, name) as sock:
        while True:
            packet = await asyncio.get_running_loop().sock_recv(sock, MOST_BYTES)
            answer = decode_answer(packet, identifier, name)
            if answer is not None:
                return answer.addresses


def _asking(way: Way, resolver: str, identifier: int, name: str) -> socket.socket:
    """A socket that has sent the question, and hears nobody but the resolver."""
    where = place(resolver, PORT)
    sock = bound(way, where.family, socket.SOCK_DGRAM)
    try:
        stamp_arrivals(sock)
        sock.connect(where.sockaddr)
        sock.send(encode_query(identifier, name))
    except BaseException:
        sock.close()
        raise
    return sock
