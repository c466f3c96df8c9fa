"""Echo packets: built as RFC 792 says, and nothing but a whole, correct reply is read."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.probes.echo import (
    EchoReply,
    checksum,
    decode_reply,
    decode_reply6,
    encode_request,
    encode_request6,
)

WORD = st.integers(0, 0xFFFF)
TOKEN = bytes(range(16))


def reply(
    identifier: int = 7,
    sequence: int = 9,
    payload: bytes = TOKEN,
    *,
    kind: int = 0,
    code: int = 0,
    options: bytes = b"",
    protocol: int = 1,
) -> bytes:
    """An IPv4 packet with an echo reply, as a raw socket delivers it."""
    blank = struct.pack("!BBHHH", kind, code, 0, identifier, sequence) + payload
    message = struct.pack("!BBHHH", kind, code, checksum(blank), identifier, sequence) + payload
    header = bytearray(20) + options
    header[0] = 0x40 | len(header) // 4
    header[2:4] = (len(header) + len(message)).to_bytes(2, "big")
    header[9] = protocol
    return bytes(header) + message


def test_request_is_the_known_packet() -> None:
    """A request must be the bytes that ping sends for this identifier, sequence and payload."""
    packet = encode_request(0x0001, 0x0002, b"abcdefghijklmnopqrstuvwabcdefghi")
    assert packet[:8].hex() == "08004d5900010002"
    assert packet[8:] == b"abcdefghijklmnopqrstuvwabcdefghi"


@given(WORD, WORD, st.binary(max_size=65))
def test_request_carries_a_correct_checksum(identifier: int, sequence: int, payload: bytes) -> None:
    """A packet that carries its own checksum must sum to zero (RFC 1071)."""
    assert checksum(encode_request(identifier, sequence, payload)) == 0


@given(WORD, WORD, st.binary(max_size=65), st.binary(max_size=10))
def test_reply_is_read_back(identifier: int, sequence: int, payload: bytes, options: bytes) -> None:
    """Every correct reply must be read, with or without IP options."""
    padded = options + bytes(-len(options) % 4)
    wanted = EchoReply(identifier, sequence, payload)
    assert decode_reply(reply(identifier, sequence, payload, options=padded)) == wanted


def test_padding_after_the_packet_is_not_payload() -> None:
    """Bytes beyond the IP length (Ethernet padding) must not be taken for the token."""
    assert decode_reply(reply() + bytes(18)) == EchoReply(7, 9, TOKEN)


@pytest.mark.parametrize("length", range(len(reply())))
def test_truncated_packet_is_ignored(length: int) -> None:
    """No prefix of a reply may be read as a reply."""
    assert decode_reply(reply()[:length]) is None


@pytest.mark.parametrize("place", range(20, len(reply())))
def test_corrupted_message_is_ignored(place: int) -> None:
    """A changed byte anywhere in the ICMP message must fail its checksum."""
    packet = bytearray(reply())
    packet[place] ^= 0x5A
    assert decode_reply(bytes(packet)) is None


@pytest.mark.parametrize(
    "packet",
    [
        reply(kind=8),
        reply(kind=3, code=1),
        reply(code=1),
        reply(protocol=17),
        b"\x60" + reply()[1:],
        b"\x44" + reply()[1:],
        b"\x4f" + reply()[1:],
        reply()[:2] + b"\x00\x00" + reply()[4:],
        reply()[:2] + b"\xff\xff" + reply()[4:],
    ],
    ids=["request", "unreachable", "code", "udp", "ipv6", "short-header", "long-header", "no-length", "too-long"],
)
def test_other_packets_are_ignored(packet: bytes) -> None:
    """Requests, errors, other protocols and impossible lengths must be no reply."""
    assert decode_reply(packet) is None


@given(st.binary(max_size=120))
def test_garbage_never_raises(packet: bytes) -> None:
    """Whatever arrives on a raw socket must be read or ignored, never crash the prober."""
    decode_reply(packet)
    decode_reply6(packet)


def test_request6_is_the_known_packet() -> None:
    """An ICMPv6 request must have its own type and leave the checksum to the kernel (RFC 4443, 4.1)."""
    assert encode_request6(0x0001, 0x0002, b"abcd") == bytes.fromhex("8000000000010002") + b"abcd"


@given(WORD, WORD, st.binary(max_size=65))
def test_reply6_is_read_back(identifier: int, sequence: int, payload: bytes) -> None:
    """Every correct ICMPv6 reply must be read."""
    message = b"\x81" + encode_request6(identifier, sequence, payload)[1:]
    assert decode_reply6(message) == EchoReply(identifier, sequence, payload)


@pytest.mark.parametrize("length", range(8))
def test_truncated_message6_is_ignored(length: int) -> None:
    """No prefix of a header may be read as a reply."""
    assert decode_reply6((b"\x81" + bytes(7))[:length]) is None


@pytest.mark.parametrize("head", [b"\x80\0", b"\x81\1", b"\x01\0", b"\x87\0"])
def test_other_messages6_are_ignored(head: bytes) -> None:
    """Requests, codes, errors and neighbour solicitations must be no reply."""
    assert decode_reply6(head + bytes(6) + TOKEN) is None
