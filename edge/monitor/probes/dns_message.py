"""Pure: one DNS question and its answer (RFC 1035, section 4), no more than a probe and a name look-up need."""

from __future__ import annotations

import struct
from dataclasses import dataclass

NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
MOST_BYTES = 1_232  # what fits every path without fragments (DNS flag day 2020); we ask without EDNS, so 512 arrive

_HEADER = struct.Struct("!6H")  # identifier, flags, questions, answers, authorities, additional
_FIXED = struct.Struct("!HHIH")  # type, class, time to live, length
_RESPONSE, _OPCODE, _DESIRED, _RCODE = 0x8000, 0x7800, 0x0100, 0x000F
_A, _IN = 1, 1
_MOST_LABELS = 128


@dataclass(frozen=True, slots=True)
class Answer:
    """What a resolver said: its response code, and the IPv4 addresses it told."""

    rcode: int
    addresses: tuple[str, ...] = ()


def encode_query(identifier: int, name: str) -> bytes:
    """Ask for the IPv4 addresses of `name`. ValueError when it is no domain name of at most 253 characters."""
    return _HEADER.pack(identifier, _DESIRED, 1, 0, 0, 0) + _question(name)


def decode_answer(packet: bytes, identifier: int, name: str) -> Answer | None:
    """The answer to our question; None for anything else: another identifier, another question, nonsense.

    An error may come without the question (RFC 8906, section 3.2.1 knows such servers); an answer may not. A packet
    cut short by the server keeps the addresses that are whole.
    """
    if len(packet) < _HEADER.size:
        return None
    repeated, flags, questions, answers, _, _ = _HEADER.unpack_from(packet)
    if repeated != identifier or not flags & _RESPONSE or flags & _OPCODE or questions > 1:
        return None
    rcode = flags & _RCODE
    question = _question(name)
    asked = packet[_HEADER.size : _HEADER.size + len(question)]
    if questions == 0:
        return Answer(rcode) if rcode not in (NOERROR, NXDOMAIN) else None
    if asked.lower() != question.lower():
        return None
    return Answer(rcode, _addresses(packet, _HEADER.size + len(question), answers))


def _question(name: str) -> bytes:
    labels = name.rstrip(".").encode("ascii").split(b".")
    if sum(map(len, labels)) + len(labels) > 254 or not all(0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is no domain name")
    return b"".join(bytes((len(label),)) + label for label in labels) + struct.pack("!BHH", 0, _A, _IN)


def _addresses(packet: bytes, at: int, count: int) -> tuple[str, ...]:
    found = []
    for _ in range(count):
        start = _after_name(packet, at)
        if start is None or start + _FIXED.size > len(packet):
            break
        kind, family, _, length = _FIXED.unpack_from(packet, start)
        at = start + _FIXED.size + length
        if at > len(packet):
            break
        if (kind, family, length) == (_A, _IN, 4):
            found.append(".".join(map(str, packet[at - 4 : at])))
    return tuple(found)


def _after_name(packet: bytes, at: int) -> int | None:
    """Where the name that begins at `at` ends; a pointer (RFC 1035, 4.1.4) ends it, and is never followed."""
    for _ in range(_MOST_LABELS):
        if at >= len(packet):
            return None
        length = packet[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2
        if length >= 0x40:
            return None
        at += 1 + length
    return None
