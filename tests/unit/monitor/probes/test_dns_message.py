"""DNS messages: the question as RFC 1035 writes it, and no answer but ours."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.probes.dns_message import NXDOMAIN, REFUSED, SERVFAIL, Answer, decode_answer, encode_query

NAME = "portal.go.id"
QUERY = encode_query(0x1234, NAME)
QUESTION = QUERY[12:]
POINTER = b"\xc0\x0c"


def record(address: bytes, *, name: bytes = POINTER, kind: int = 1, family: int = 1) -> bytes:
    return name + struct.pack("!HHIH", kind, family, 60, len(address)) + address


def answer(
    *records: bytes,
    identifier: int = 0x1234,
    flags: int = 0x8180,
    question: bytes = QUESTION,
    questions: int = 1,
    count: int | None = None,
) -> bytes:
    counts = (questions, len(records) if count is None else count, 0, 0)
    return struct.pack("!6H", identifier, flags, *counts) + question + b"".join(records)


def test_query_is_the_known_packet() -> None:
    """A query must be the bytes that dig sends for this name and identifier."""
    assert QUERY.hex() == "123401000001000000000000" + "06706f7274616c02676f02696400" + "00010001"


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64, ".".join(["abcdefgh"] * 29), "."])
def test_name_that_is_none_is_refused(name: str) -> None:
    """A name that fits no message must be refused before it is sent."""
    with pytest.raises(ValueError, match="is no domain name"):
        encode_query(1, name)


@pytest.mark.parametrize(
    ("packet", "wanted"),
    [
        (answer(record(b"\x01\x02\x03\x04"), record(b"\x05\x06\x07\x08")), Answer(0, ("1.2.3.4", "5.6.7.8"))),
        (
            answer(record(b"\x03foo" + POINTER, kind=5), record(b"\x01\x02\x03\x04", name=b"\x03foo" + POINTER)),
            Answer(0, ("1.2.3.4",)),
        ),
        (answer(), Answer(0)),
        (answer(flags=0x8183), Answer(NXDOMAIN)),
        (answer(flags=0x8182), Answer(SERVFAIL)),
        (answer(flags=0x8185, question=b"", questions=0), Answer(REFUSED)),
        (answer(question=QUESTION.upper().replace(b"\x00\x01\x00\x01", b"\0\1\0\1")), Answer(0)),
        (answer(record(bytes(16), kind=28), record(b"\x01\x02\x03\x04", family=3)), Answer(0)),
    ],
    ids=["two", "alias", "none", "no such name", "server failure", "refused bare", "other case", "other types"],
)
def test_answer_is_read(packet: bytes, wanted: Answer) -> None:
    """A resolver's answer would be misread."""
    assert decode_answer(packet, 0x1234, NAME) == wanted


@pytest.mark.parametrize(
    "packet",
    [
        answer(identifier=0x1235),
        answer(flags=0x0100),
        answer(flags=0x8980),
        answer(question=encode_query(1, "portal.go.ie")[12:]),
        answer(question=QUESTION[:-1] + b"\x03"),
        answer(question=b"", questions=0),
        answer(question=b"", questions=0, flags=0x8183),
        answer(question=QUESTION * 2, questions=2),
        QUERY,
    ],
    ids=["identifier", "a query", "opcode", "name", "class", "bare", "bare nxdomain", "two questions", "echo"],
)
def test_other_packets_are_ignored(packet: bytes) -> None:
    """A forged answer, or one to another question, must prove nothing."""
    assert decode_answer(packet, 0x1234, NAME) is None


WHOLE = answer(record(b"\x01\x02\x03\x04"), record(b"\x05\x06\x07\x08"))


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_truncated_answer_keeps_what_is_whole(length: int) -> None:
    """A packet cut short must neither crash nor invent an address."""
    read = decode_answer(WHOLE[:length], 0x1234, NAME)
    assert (read is None) == (length < 12 + len(QUESTION))
    assert read is None or set(read.addresses) <= {"1.2.3.4", "5.6.7.8"}


@given(st.binary(max_size=80), st.integers(0, 0xFFFF))
def test_garbage_after_the_question_never_raises(tail: bytes, count: int) -> None:
    """Loops of pointers, labels without end and impossible lengths must end the reading, not the daemon."""
    read = decode_answer(answer(tail, count=count), 0x1234, NAME)
    assert read is not None
    assert len(read.addresses) <= len(tail) // 14 + 1


@given(st.binary(max_size=100), st.integers(0, 0xFFFF))
def test_garbage_never_raises(packet: bytes, identifier: int) -> None:
    """Whatever arrives on the port must be read or ignored."""
    decode_answer(packet, identifier, NAME)
