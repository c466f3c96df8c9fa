"""The gate in front of pysnmp: what is let in, and what it costs."""

from __future__ import annotations

import socket

from edge.monitor.snmp.wire import ADDRESS, MOST_BYTES, MOST_PER_REQUEST, Wire

PEER = ("127.0.0.1", 161)


def _wire() -> tuple[Wire, list[bytes]]:
    taken: list[bytes] = []
    wire = Wire(lambda _: None)
    wire.register_recv_callback(lambda _wire, _domain, _address, data: taken.append(data))
    return wire, taken


def test_nothing_is_taken_unasked() -> None:
    """A datagram out of the blue would be decoded, at the cost of milliseconds each."""
    wire, taken = _wire()
    wire.datagram_received(b"x", PEER)
    assert taken == []


def test_each_request_lets_a_few_in() -> None:
    """A flood would be decoded whole; or an answer that follows a report would be dropped."""
    wire, taken = _wire()
    wire.send_message(b"question", None, ADDRESS)
    for _ in range(100):
        wire.datagram_received(b"x", PEER)
    assert len(taken) == MOST_PER_REQUEST
    for _ in range(50):
        wire.send_message(b"question", None, ADDRESS)
    for _ in range(1_000):
        wire.datagram_received(b"x", PEER)
    assert len(taken) == 3 * MOST_PER_REQUEST


def test_a_huge_datagram_is_not_decoded() -> None:
    """Sixty kilobytes of tiny values hold the loop for a second."""
    wire, taken = _wire()
    wire.send_message(b"question", None, ADDRESS)
    wire.datagram_received(bytes(MOST_BYTES + 1), PEER)
    wire.datagram_received(bytes(MOST_BYTES), PEER)
    assert taken == [bytes(MOST_BYTES)]


def test_what_breaks_the_decoder_is_counted_and_passes() -> None:
    """Bytes that raise in the decoder would end up as a traceback for each packet."""
    wire, _ = _wire()

    def breaks(*_: object) -> None:
        raise IndexError

    wire.register_recv_callback(breaks)
    wire.send_message(b"question", None, ADDRESS)
    wire.datagram_received(b"x", PEER)
    assert (wire.heard, wire.malformed) == (1, 1)


async def test_it_may_be_opened_again_and_forgets_what_was_allowed() -> None:
    """The second poll would find a closed socket, or take answers to the first one's questions."""
    wire, taken = _wire()
    for _ in range(2):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.connect(("127.0.0.1", 9))
        await wire.open(sock)
        wire.send_message(b"question", None, ADDRESS)
        wire.close()
        wire.datagram_received(b"late", PEER)
    assert taken == []
