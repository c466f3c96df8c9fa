from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.concat import Concat, Piece, assemble, split
from edge.modem.pdu import (
    Address,
    Deliver,
    PduError,
    StatusReport,
    Submit,
    decode,
    encode_submit,
)
from tests.unit.modem.deliver import encode_deliver
from tests.unit.modem.test_gsm7 import texts
from tests.unit.modem.test_ucs2 import no_stand_ins

sendable = st.one_of(texts, no_stand_ins.filter(lambda text: "\x1b" not in text))
MOMENT = datetime(2026, 11, 22, 12, 30, 54, tzinfo=UTC)
HOW = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (HOW, Deliver(Address("+31641600986"), "How are you?", "2002-08-26T19:37:41+00:00", None, None)),
        (
            "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37",
            Deliver(Address("27838890001"), "hellohello", "1999-03-29T15:16:59+02:00", None, None),
        ),
        (
            "0791448720003023240DD0E474D81C0EBB010000111011315214000BE474D81C0EBB5DE3771B",
            Deliver(Address("diafaan", alphanumeric=True), "diafaan.com", "2011-01-11T13:25:41+00:00", None, None),
        ),
        (
            "06917228195339040B917228214365F700003130805120618005D4F29C2E03",
            Deliver(Address("+27821234567"), "Test2", "2013-03-08T15:02:16+02:00", None, None),
        ),
        (
            "0011000B916407281553F80000AA0AE8329BFD4697D9EC37",
            Submit(Address("+46708251358"), "hellohello", 0, None, False),
        ),
        (
            "0006070B911326880736F4111011719551401110117195714000",
            StatusReport(Address("+31628870634"), 7, True, 0),
        ),
        (
            "0006070B911326880736F4111011719551401110117195714030",
            StatusReport(Address("+31628870634"), 7, None, 0x30),
        ),
        (
            "0006070B911326880736F4111011719551401110117195714046",
            StatusReport(Address("+31628870634"), 7, False, 0x46),
        ),
        ("00040181F10000" + "00" * 7 + "00", Deliver(Address("1"), "", "", None, None)),
    ],
)
def test_known_pdus(line: str, wanted: Deliver | Submit | StatusReport) -> None:
    """PDUs as published by modem makers and operators would be misread."""
    assert decode(line) == wanted
    assert decode(line, length=len(line) // 2 - 1 - int(line[:2], 16)) == wanted


@given(sendable, st.integers(0, 255), st.booleans())
def test_a_submitted_text_comes_back(text: str, reference: int, report: bool) -> None:
    """A citizen would read something else than was written."""
    back = []
    for piece in split(text, reference):
        line, length = encode_submit(Address("+6281234567001"), piece, reference=reference, report=report)
        message = decode(line, length=length)
        assert isinstance(message, Submit)
        assert (message.recipient, message.reference, message.concat, message.report) == (
            Address("+6281234567001"),
            reference,
            piece.concat,
            report,
        )
        back.append(message.text)
    assert assemble(back) == text


@given(sendable)
def test_a_delivered_text_comes_back(text: str) -> None:
    """A citizen's words would be understood as others."""
    back = []
    for piece in split(text, 9):
        line, length = encode_deliver(Address("Telkomsel", alphanumeric=True), piece, MOMENT)
        message = decode(line, length=length)
        assert isinstance(message, Deliver)
        assert message.sender == Address("Telkomsel", alphanumeric=True)
        assert message.timestamp == "2026-11-22T12:30:54+00:00"
        back.append(message.text)
    assert assemble(back) == text


@given(st.integers(0, len(HOW) - 1))
def test_every_truncation_is_an_error(cut: int) -> None:
    """A PDU cut off on the line would be stored as a shorter message."""
    with pytest.raises(PduError):
        decode(HOW[:cut])


@given(st.binary(max_size=200))
def test_any_octets_are_a_message_or_an_error(octets: bytes) -> None:
    """A strange PDU would crash the driver."""
    with contextlib.suppress(PduError):
        assert isinstance(decode(octets.hex()), Deliver | Submit | StatusReport)


@pytest.mark.parametrize(
    ("line", "length", "why"),
    [
        (HOW, 29, "where the modem announced 29"),
        ("zz", None, "not hexadecimal"),
        ("00" * 400, None, "longer than any PDU"),
        ("0003", None, "reserved message type"),
        (HOW + "00", None, "where its length says"),
        ("", None, "cut off in its service centre"),
    ],
)
def test_contradictions_are_errors(line: str, length: int | None, why: str) -> None:
    """A contradictory PDU would be guessed."""
    with pytest.raises(PduError, match=why):
        decode(line, length=length)


def test_a_wide_reference_is_understood() -> None:
    """Phones with 16-bit references would have their long messages torn apart."""
    piece = Piece("halo", False, Concat(0xBEEF, 2, 1, wide=True))
    line, _ = encode_deliver(Address("+628123"), piece, MOMENT)
    message = decode(line)
    assert isinstance(message, Deliver)
    assert (message.text, message.concat) == ("halo", Concat(0xBEEF, 2, 1, wide=True))
