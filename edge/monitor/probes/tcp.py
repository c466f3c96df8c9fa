"""A TCP connection as a sign of life (RFC 9293, 3.5); a target is ``tcp://ADDRESS:PORT`` or ``ADDRESS:PORT``.

Whoever answers a SYN, with SYN-ACK or with RST, lives. The connection is given up at once by RST (SO_LINGER 0), so
that neither side keeps a state for it. A connection not made within a second is given up: by then the kernel has sent
the SYN again (RFC 6298, section 2), and an answer would hide that the first one was lost.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from functools import partial

from edge.clock import Clock
from edge.config import Monitor
from edge.monitor.probe import NoDevice, NoPrivilege, ProbeResult, Reason, Report, Way
from edge.monitor.probes.bound import bound, place, reason_of
from edge.monitor.probes.flights import Flights

LIMIT_S = 0.95  # before the SYN is sent again
_ABORT = struct.pack("ii", 1, 0)
_TCPI_RTT = struct.Struct("=I")  # at offset 68 of struct tcp_info (linux/tcp.h): the smoothed round trip in us
_TCPI_RTT_AT = 68


class TcpProbe:
    """Connects by `way`; results go to `report`."""

    def __init__(self, way: Way, settings: Monitor, *, clock: Clock, report: Report) -> None:
        del settings  # the target says it all
        self._way = way
        self._clock = clock
        self._report = report
        self._flights = Flights(LIMIT_S)
        self._opened = False

    def open(self) -> None:
        """See that sockets can be bound. Raises `NoPrivilege` or `NoDevice`."""
        self.close()
        bound(self._way, socket.AF_INET, socket.SOCK_STREAM).close()
        self._opened = True

    def close(self) -> None:
        """Give up every connection in the making."""
        self._opened = False
        self._flights.close()

    def send(self, serial: int, target: str) -> None:
        """Begin to connect; a failure to begin is reported."""
        failed = partial(self._failed, serial, target)
        if not self._opened:
            return failed("no-device")
        if self._flights.full:
            return failed("too-many")
        where = place(target)
        try:
            sock = bound(self._way, where.family, socket.SOCK_STREAM)
        except (NoDevice, NoPrivilege, OSError) as error:
            return failed(reason_of(error) if isinstance(error, OSError) else "no-device")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        left = self._clock.monotonic()
        code = sock.connect_ex(where.sockaddr)
        if code == errno.EINPROGRESS:
            self._flights.await_write(sock, partial(self._ended, sock, serial, target, left))
            return None
        self._settle(sock, code, serial, target, left)
        sock.close()
        return None

    def _ended(self, sock: socket.socket, serial: int, target: str, left: float) -> None:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._settle(sock, code, serial, target, left)
        self._flights.end(sock)

    def _settle(self, sock: socket.socket, code: int, serial: int, target: str, left: float) -> None:
        elapsed = self._clock.monotonic() - left
        if code == 0:
            self._report(ProbeResult(serial, target, min(elapsed, _round_trip(sock) or elapsed) * 1_000))
        elif code == errno.ECONNREFUSED:
            self._report(ProbeResult(serial, target, elapsed * 1_000))
        else:
            self._failed(serial, target, reason_of(OSError(code, os.strerror(code))))

    def _failed(self, serial: int, target: str, reason: Reason) -> None:
        self._report(ProbeResult(serial, target, None, reason))


def _round_trip(sock: socket.socket) -> float:
    """Seconds between SYN and SYN-ACK as the kernel measured them, however late the daemon looks; 0 if unknown."""
    told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCPI_RTT_AT + _TCPI_RTT.size)
    return float(_TCPI_RTT.unpack_from(told, _TCPI_RTT_AT)[0]) / 1e6 if len(told) > _TCPI_RTT_AT + 3 else 0.0
