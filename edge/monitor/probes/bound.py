"""Sockets that leave by one way only, where they lead, and when the kernel received what came back."""

from __future__ import annotations

import errno
import functools
import ipaddress
import socket
import struct
from dataclasses import dataclass

from edge.monitor.probe import NoDevice, NoPrivilege, Reason, Way

_TIMESPEC = struct.Struct("@ll")
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h, with the kernel's native struct timespec
ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)

_REASONS: dict[int, Reason] = {
    errno.ENODEV: "no-device",
    errno.ENXIO: "no-device",
    errno.ENETDOWN: "no-device",
    errno.ENETUNREACH: "no-route",
    errno.EHOSTUNREACH: "no-route",
    errno.EHOSTDOWN: "no-route",
    errno.EPERM: "refused",
    errno.EACCES: "refused",
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "broken",
    errno.EPIPE: "broken",
}


def reason_of(error: OSError) -> Reason:
    """Why a probe could not leave or ended badly, as its result says it."""
    return _REASONS.get(error.errno or 0, "not-sent")


@dataclass(frozen=True, slots=True)
class Place:
    """An address in its canonical spelling, and a port (0: the kind needs none)."""

    family: socket.AddressFamily
    address: str
    port: int

    @property
    def sockaddr(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """As the socket module wants it; a link-local address is reached by the device the socket is bound to."""
        if self.family is socket.AF_INET6:
            return (self.address, self.port, 0, 0)
        return (self.address, self.port)


@functools.lru_cache(maxsize=256)
def place(text: str, port: int = 0) -> Place:
    """Read ADDRESS, ADDRESS:PORT, [ADDRESS6]:PORT or any of these behind a scheme://; `port` where none is written.

    ValueError for anything else: a name would be resolved through whatever uplink.
    """
    host = text.partition("://")[2] or text
    if host.count(":") == 1 or "]:" in host:
        host, _, digits = host.rpartition(":")
        if not (digits.isascii() and digits.isdigit() and 0 < int(digits[:6]) < 65_536):
            raise ValueError(f"{text!r} has no port from 1 to 65535")
        port = int(digits)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or "%" in host:  # a scope would name a device, and the socket's is the uplink's
        raise ValueError(f"{text!r} is no IPv4 or IPv6 address")
    return Place(socket.AF_INET6 if address.version == 6 else socket.AF_INET, str(address), port)


def bound(way: Way, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A non-blocking socket that leaves by `way`. Raises `NoPrivilege`, `NoDevice` or OSError."""
    try:
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    except PermissionError:
        raise NoPrivilege("a raw ICMP socket needs CAP_NET_RAW") from None
    try:
        _bind(sock, way)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, way: Way) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, way.mark)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, way.device.encode() + b"\0")
    except PermissionError:
        raise NoPrivilege("a probe's mark and device need CAP_NET_RAW and CAP_NET_ADMIN") from None
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise NoDevice(f"network device {way.device} does not exist") from None
        raise


def stamp_arrivals(sock: socket.socket) -> None:
    """Let the kernel say when each packet arrived (SO_TIMESTAMPNS, Documentation/networking/timestamping.rst)."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def arrived(ancillary: list[tuple[int, int, bytes]]) -> float | None:
    """Wall seconds at which the kernel received a packet, of what recvmsg told beside it."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return float(seconds) + float(nanoseconds) / 1e9
    return None


@dataclass(frozen=True, slots=True)
class Departure:
    """When a probe left, by both clocks."""

    monotonic: float
    wall: float

    def elapsed(self, *, monotonic: float, arrived: float | None) -> float:
        """Seconds until the kernel's stamp `arrived`, or until `monotonic` where the wall clock was set meanwhile.

        A stamp that lies before the departure, or after the reading of it, is of a wall clock that jumped.
        """
        measured = monotonic - self.monotonic
        if arrived is not None and 0 <= arrived - self.wall <= measured:
            return arrived - self.wall
        return measured
