"""Pure: ICMP echo messages of IPv4 (RFC 792) and IPv6 (RFC 4443, section 4), as raw sockets take and deliver them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

ECHO_REPLY, ECHO_REQUEST = 0, 8
ECHO6_REQUEST, ECHO6_REPLY = 128, 129
_HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_PROTOCOL_ICMP = 1


@dataclass(frozen=True, slots=True)
class EchoReply:
    """A well-formed echo reply."""

    identifier: int
    sequence: int
    payload: bytes


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
    """An IPv4 echo request without its IP header; `identifier` and `sequence` are 16 bits."""
    blank = _HEADER.pack(ECHO_REQUEST, 0, 0, identifier, sequence) + payload
    return _HEADER.pack(ECHO_REQUEST, 0, checksum(blank), identifier, sequence) + payload


def decode_reply(packet: bytes) -> EchoReply | None:
    """Read an IPv4 packet as a raw socket delivers it; None unless it is a whole, correct echo reply."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != _PROTOCOL_ICMP:
        return None
    start = (packet[0] & 0x0F) * 4
    end = int.from_bytes(packet[2:4], "big")
    if start < 20 or end > len(packet) or end < start + _HEADER.size:
        return None
    message = packet[start:end]
    return _reply(message, ECHO_REPLY) if checksum(message) == 0 else None


def encode_request6(identifier: int, sequence: int, payload: bytes) -> bytes:
    """An IPv6 echo request; its checksum is the kernel's work (RFC 3542, section 3.1)."""
    return _HEADER.pack(ECHO6_REQUEST, 0, 0, identifier, sequence) + payload


def decode_reply6(message: bytes) -> EchoReply | None:
    """Read an ICMPv6 message, which the kernel delivers without its IP header and with its checksum verified."""
    return _reply(message, ECHO6_REPLY) if len(message) >= _HEADER.size else None


def _reply(message: bytes, wanted: int) -> EchoReply | None:
    kind, code, _, identifier, sequence = _HEADER.unpack_from(message)
    if kind != wanted or code != 0:
        return None
    return EchoReply(identifier, sequence, message[_HEADER.size :])
