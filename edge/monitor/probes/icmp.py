"""ICMP echo (RFC 792) over a raw socket that is bound to one device and carries one mark.

A reply counts only when it comes from the probed address and repeats our identifier, a sequence number in flight and
the random token sent with it; anything else (forged, truncated, duplicate, another process's) is ignored. The round
trip is measured to the kernel's receive timestamp (SO_TIMESTAMPNS), so that a busy daemon does not look like a slow
uplink. Opening needs CAP_NET_RAW.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import struct
from dataclasses import dataclass

from edge.clock import Clock
from edge.monitor.probe import NoDevice, NoPrivilege, ProbeResult, Reason, Report

ECHO_REPLY, ECHO_REQUEST = 0, 8
TOKEN_BYTES = 16
MOST_IN_FLIGHT = 4_096
MOST_PER_WAKE = 64  # a flood of foreign replies must not hold the loop

_HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_TIMESPEC = struct.Struct("@ll")
_ICMP_FILTER = 1  # linux/icmp.h; level SOL_RAW, a set bit drops that type
_SOL_RAW = 255
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h, with the kernel's native struct timespec

_REASONS: dict[int, Reason] = {
    errno.ENODEV: "no-device",
    errno.ENXIO: "no-device",
    errno.ENETDOWN: "no-device",
    errno.ENETUNREACH: "no-route",
    errno.EHOSTUNREACH: "no-route",
    errno.EPERM: "refused",
    errno.EACCES: "refused",
}


@dataclass(frozen=True, slots=True)
class EchoReply:
    """A well-formed echo reply."""

    identifier: int
    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Flight:
    serial: int
    target: str
    token: bytes
    sent_monotonic: float
    sent_wall: float


def checksum(data: bytes) -> int:
    """The Internet checksum of RFC 1071; zero over a packet that carries its own."""
    if len(data) % 2:
        data += b"\0"
    words: tuple[int, ...] = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def encode_request(identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request without its IP header; `identifier` and `sequence` are 16 bits."""
    blank = _HEADER.pack(ECHO_REQUEST, 0, 0, identifier, sequence) + payload
    return _HEADER.pack(ECHO_REQUEST, 0, checksum(blank), identifier, sequence) + payload


def decode_reply(packet: bytes) -> EchoReply | None:
    """Read an IPv4 packet as a raw socket delivers it; None unless it is a whole, correct echo reply."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_ICMP:
        return None
    start = (packet[0] & 0x0F) * 4
    end = int.from_bytes(packet[2:4], "big")
    if start < 20 or end > len(packet) or end < start + _HEADER.size:
        return None
    message = packet[start:end]
    kind, code, _, identifier, sequence = _HEADER.unpack_from(message)
    if kind != ECHO_REPLY or code != 0 or checksum(message) != 0:
        return None
    return EchoReply(identifier, sequence, message[_HEADER.size :])


class IcmpProbe:
    """Echo requests through `device` with fwmark `mark`; results go to `report`."""

    def __init__(self, device: str, mark: int, *, clock: Clock, report: Report) -> None:
        self._device = device
        self._mark = mark
        self._clock = clock
        self._report = report
        self._socket: socket.socket | None = None
        self._identifier = 0
        self._flights: dict[int, _Flight] = {}

    def open(self) -> None:
        """Open and bind the socket. Raises `NoPrivilege` without CAP_NET_RAW, `NoDevice` without the device."""
        self.close()
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)
        except PermissionError:
            raise NoPrivilege("a raw ICMP socket needs CAP_NET_RAW") from None
        try:
            _prepare(sock, self._device, self._mark)
        except BaseException:
            sock.close()
            raise
        self._identifier = secrets.randbits(16)
        self._socket = sock
        asyncio.get_running_loop().add_reader(sock, self._readable, sock)

    def close(self) -> None:
        """Close the socket and forget what is in flight."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        self._flights.clear()

    def send(self, serial: int, target: str) -> None:
        """Send one echo request; a failure to send is reported as a probe that failed."""
        if self._socket is None:
            self._report(ProbeResult(serial, target, None, "no-device"))
            return
        sequence = serial & 0xFFFF
        token = secrets.token_bytes(TOKEN_BYTES)
        packet = encode_request(self._identifier, sequence, token)
        self._flights.pop(sequence, None)
        self._flights[sequence] = _Flight(serial, target, token, self._clock.monotonic(), self._clock.wall())
        if len(self._flights) > MOST_IN_FLIGHT:
            del self._flights[next(iter(self._flights))]
        try:
            self._socket.sendto(packet, (target, 0))
        except OSError as error:
            del self._flights[sequence]
            self._report(ProbeResult(serial, target, None, _REASONS.get(error.errno or 0, "not-sent")))

    def _readable(self, sock: socket.socket) -> None:
        for _ in range(MOST_PER_WAKE):
            try:
                packet, ancillary, _, sender = sock.recvmsg(2_048, socket.CMSG_SPACE(_TIMESPEC.size))
            except BlockingIOError:
                return
            except OSError:
                return  # the device went away: its link state tells, and the socket is opened anew
            self._received(packet, sender[0], _received_wall(ancillary))
            if sock is not self._socket:
                return

    def _received(self, packet: bytes, sender: str, received_wall: float | None) -> None:
        reply = decode_reply(packet)
        if reply is None or reply.identifier != self._identifier:
            return
        flight = self._flights.get(reply.sequence)
        if flight is None or flight.target != sender or flight.token != reply.payload:
            return
        del self._flights[reply.sequence]
        elapsed = self._clock.monotonic() - flight.sent_monotonic
        if received_wall is not None and 0 <= received_wall - flight.sent_wall <= elapsed:
            elapsed = received_wall - flight.sent_wall  # else the wall clock was set meanwhile
        self._report(ProbeResult(flight.serial, flight.target, elapsed * 1_000))


def _prepare(sock: socket.socket, device: str, mark: int) -> None:
    """Bind device and mark, keep echo replies only, ask for kernel timestamps."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    except PermissionError:
        raise NoPrivilege("a probe's mark and device need CAP_NET_RAW and CAP_NET_ADMIN") from None
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise NoDevice(f"network device {device} does not exist") from None
        raise
    sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~(1 << ECHO_REPLY)))
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def _received_wall(ancillary: list[tuple[int, int, bytes]]) -> float | None:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return float(seconds) + float(nanoseconds) / 1e9
    return None
