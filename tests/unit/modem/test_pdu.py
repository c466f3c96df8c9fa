from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.codec.coding import Coding
from edge.modem.codec.stamps import Validity
from edge.modem.concat import Concat, Piece, assemble, split
from edge.modem.pdu import (
    Address,
    Deliver,
    PduError,
    StatusReport,
    Submit,
    decode,
    encode_deliver,
    encode_status_report,
    encode_submit,
)
from tests.unit.modem.codec.test_ucs2 import any_text
from tests.unit.modem.test_gsm7 import texts

sendable = st.one_of(texts, any_text)
MOMENT = datetime(2026, 11, 22, 12, 30, 54, tzinfo=timezone(timedelta(hours=7)))
LATER = datetime(2026, 11, 22, 0, 31, 2, tzinfo=timezone(-timedelta(hours=4, minutes=30)))
HOW = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07"
FULL = "07912618010000F0FDFF0B912618214365F7001862112221034582" + "09060804BEEF0201" + "0041"
REPORT = "0006070B911326880736F4111011719551401110117195714000"
REPORT_WITH_TEXT = "0006070B911326880736F411101171955140111011719571400007000804" + "00410042"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            HOW,
            Deliver(
                Address("+31641600986"), "How are you?", "2002-08-26T19:37:41+00:00", None, None, smsc="+31624000000"
            ),
        ),
        (
            "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37",
            Deliver(Address("27838890001"), "hellohello", "1999-03-29T15:16:59+02:00", None, None, smsc="+27381000015"),
        ),
        (
            "0791448720003023240DD0E474D81C0EBB010000111011315214000BE474D81C0EBB5DE3771B",
            Deliver(
                Address("diafaan", alphanumeric=True),
                "diafaan.com",
                "2011-01-11T13:25:41+00:00",
                None,
                None,
                smsc="+447802000332",
                report=True,
            ),
        ),
        (
            "06917228195339040B917228214365F700003130805120618005D4F29C2E03",
            Deliver(Address("+27821234567"), "Test2", "2013-03-08T15:02:16+02:00", None, None, smsc="+2782913593"),
        ),
        (
            "07916407058099F9040B916407950303F100008921222140140004D4E2940A",
            Deliver(Address("+46705930301"), "TEST", "1998-12-22T12:04:41+00:00", None, None, smsc="+46705008999"),
        ),
        (
            "0011000B916407281553F80000AA0AE8329BFD4697D9EC37",
            Submit(Address("+46708251358"), "hellohello", 0, None, False, validity=Validity(4 * 86_400)),
        ),
        (
            REPORT,
            StatusReport(Address("+31628870634"), 7, True, 0, "2011-01-11T17:59:15+01:00", "2011-01-11T17:59:17+01:00"),
        ),
        (
            REPORT_WITH_TEXT,
            StatusReport(
                Address("+31628870634"),
                7,
                True,
                0,
                "2011-01-11T17:59:15+01:00",
                "2011-01-11T17:59:17+01:00",
                text="AB",
                coding=Coding("ucs2"),
            ),
        ),
        (
            FULL,
            Submit(
                Address("+62811234567"),
                "A",
                255,
                Concat(0xBEEF, 2, 1, wide=True),
                True,
                smsc="+62811000000",
                coding=Coding("ucs2", 0),
                validity=Validity(moment="2026-11-22T12:30:54+07:00"),
                reject_duplicates=True,
                reply_path=True,
            ),
        ),
        (
            "0000048121431100621122210345820141",  # more waits; protocol 0x11
            Deliver(Address("1234"), "A", "2026-11-22T12:30:54+07:00", None, None, protocol=0x11, more=True),
        ),
        (
            "00E40381A1F20004621122210345820B" + "0605040B8423F0" + "00FF0D0A",
            Deliver(
                Address("1*2"),
                "\x00\xff\r\n",
                "2026-11-22T12:30:54+07:00",
                None,
                0x0B84,
                coding=Coding("8bit"),
                source_port=0x23F0,
                report=True,
                reply_path=True,
            ),
        ),
    ],
)
def test_known_pdus(line: str, wanted: Deliver | Submit | StatusReport) -> None:
    """PDUs as published by modem makers and operators would be misread."""
    assert decode(line) == wanted
    assert decode(line.lower(), length=len(line) // 2 - 1 - int(line[:2], 16)) == wanted


@pytest.mark.parametrize(
    ("status", "delivered"),
    [
        *((status, True) for status in (0x00, 0x01, 0x02, 0x10, 0x1F)),
        *((status, None) for status in (0x20, 0x25, 0x30, 0x3F)),
        *((status, False) for status in (0x40, 0x46, 0x5F, 0x60, 0x65, 0x70)),
        *((status, False) for status in (0x03, 0x0F, 0x26, 0x2F, 0x80, 0xFF)),  # reserved: service rejected
    ],
)
def test_what_became_of_a_message(status: int, delivered: bool | None) -> None:
    """A message that was given up would be waited for, or a delivered one sent again."""
    report = decode(REPORT[:-2] + f"{status:02X}")
    assert isinstance(report, StatusReport)
    assert (report.status, report.delivered) == (status, delivered)


def test_a_report_filled_up_as_on_the_sim_is_read() -> None:
    """The filling of a SIM's record would cost the report."""
    assert decode(REPORT + "FF" * 20) == decode(REPORT)


@given(sendable, st.integers(0, 255), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_a_submitted_text_comes_back(
    text: str, reference: int, report: bool, wide: bool, flash: bool, twin: bool
) -> None:
    """A citizen would read something else than was written."""
    back = []
    for piece in split(text, reference, wide=wide):
        line, length = encode_submit(
            Address("+6281234567001"),
            piece,
            reference=reference,
            report=report,
            reject_duplicates=twin,
            flash=flash,
            smsc="+62811000000",
        )
        message = decode(line, length=length)
        assert isinstance(message, Submit)
        assert (message.recipient, message.reference, message.concat, message.report, message.smsc) == (
            Address("+6281234567001"),
            reference,
            piece.concat,
            report,
            "+62811000000",
        )
        assert (message.flash, message.reject_duplicates, message.validity) == (flash, twin, Validity(259_200))
        back.append(message.text)
    assert assemble(back) == text


@given(st.one_of(texts, any_text), st.integers(1, 10), st.booleans())
def test_long_texts_come_back(text: str, times: int, wide: bool) -> None:
    """A message of several parts would lose or change characters where the parts meet."""
    text = (text * times)[: 10 * 66]
    back = [decode(encode_submit(Address("08123"), piece)[0]).text for piece in split(text, 9, wide=wide)]
    assert len(back) <= 10 * 2
    assert assemble(back) == text


@given(sendable, st.booleans(), st.booleans())
def test_a_delivered_text_comes_back(text: str, flash: bool, more: bool) -> None:
    """A citizen's words would be understood as others."""
    back = []
    for piece in split(text, 9):
        line, length = encode_deliver(Address("Telkomsel", alphanumeric=True), piece, MOMENT, flash=flash, more=more)
        message = decode(line, length=length)
        assert isinstance(message, Deliver)
        assert message.sender == Address("Telkomsel", alphanumeric=True)
        assert message.timestamp == "2026-11-22T12:30:54+07:00"
        assert (message.flash, message.more, message.concat) == (flash, more, piece.concat)
        back.append(message.text)
    assert assemble(back) == text


@given(st.integers(0, 255), st.integers(0, 255))
def test_a_status_report_comes_back(reference: int, status: int) -> None:
    """A delivery would be credited to another message."""
    line, length = encode_status_report(Address("08123"), reference, status, MOMENT, LATER, smsc="+62811000000")
    report = decode(line, length=length)
    assert isinstance(report, StatusReport)
    assert (report.recipient, report.reference, report.status) == (Address("08123"), reference, status)
    assert (report.timestamp, report.discharged) == ("2026-11-22T12:30:54+07:00", "2026-11-22T00:31:02-04:30")
    assert report.smsc == "+62811000000"


@pytest.mark.parametrize("line", [HOW, FULL, REPORT, REPORT_WITH_TEXT])
def test_every_truncation_is_an_error(line: str) -> None:
    """A PDU cut off on the line would be stored as a shorter message."""
    for cut in range(len(line)):
        if line == REPORT_WITH_TEXT and line[:cut] == REPORT:
            continue  # what follows the status is optional
        with pytest.raises(PduError):
            decode(line[:cut])


@given(sendable.filter(bool), st.data())
def test_every_truncation_of_any_message_is_an_error(text: str, data: st.DataObject) -> None:
    """As above, for whatever people write."""
    line, _ = encode_deliver(Address("+628123"), split(text, 1)[0], MOMENT)
    with pytest.raises(PduError):
        decode(line[: data.draw(st.integers(0, len(line) - 1))])


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=190).map(lambda octets: b"\0" + octets)))
def test_any_octets_are_a_message_or_an_error(octets: bytes) -> None:
    """A strange PDU would crash the driver."""
    with contextlib.suppress(PduError):
        message = decode(octets.hex())
        assert isinstance(message, Deliver | Submit | StatusReport)
        message.text.encode()  # what the store needs


@given(st.sampled_from([HOW, FULL, REPORT_WITH_TEXT]), st.data())
def test_a_changed_octet_is_a_message_or_an_error(line: str, data: st.DataObject) -> None:
    """Noise on the line would crash the driver."""
    octets = bytearray.fromhex(line)
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PduError):
        assert isinstance(decode(octets.hex()), Deliver | Submit | StatusReport)


@given(st.text(max_size=40))
def test_any_line_is_a_message_or_an_error(line: str) -> None:
    """Rubbish on the line would crash the driver."""
    with contextlib.suppress(PduError):
        decode(line)


@pytest.mark.parametrize(
    ("line", "length", "why"),
    [
        (HOW, 29, "where the modem announced 29"),
        ("zz", None, "not hexadecimal"),
        (HOW[:10] + " " + HOW[10:], None, "not hexadecimal"),
        (HOW[:-1], None, "not hexadecimal"),
        ("00" * 400, None, "longer than any PDU"),
        ("0003", None, "reserved message type"),
        (HOW + "00", None, "where its length says"),
        ("", None, "cut off in its service centre"),
        ("00", None, "cut off in its first octet"),
        (REPORT + "0000", None, "more octets than its parameter indicator announces"),
        (REPORT + "0400", None, None),
        (REPORT + "04", None, "cut off in its user data length"),
    ],
)
def test_contradictions_are_errors(line: str, length: int | None, why: str | None) -> None:
    """A contradictory PDU would be guessed, or a good one refused."""
    if why is None:
        assert isinstance(decode(line, length=length), StatusReport)
        return
    with pytest.raises(PduError, match=why):
        decode(line, length=length)


def test_an_error_tells_nobody_what_was_written() -> None:
    """A citizen's number or words would stand in the log."""
    with pytest.raises(PduError) as caught:
        decode(HOW + "00")
    assert "31641600986" not in str(caught.value)
    assert "How" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "text", "settings", "why"),
    [
        (Address("Telkomsel", alphanumeric=True), "a", {}, "nobody can send to a name"),
        (Address("08-12"), "a", {}, "a number consists of"),
        (Address("0812"), "a" * 161, {}, "do not fit"),
        (Address("0812"), "a", {"validity_s": 0}, "is valid for up to"),
        (Address("0812"), "a", {"smsc": "x"}, "a number consists of"),
        (Address("0812"), "a", {"reference": 256}, "bytes must be in range"),
    ],
)
def test_what_no_submit_says_is_refused(number: Address, text: str, settings: dict[str, Any], why: str) -> None:
    """A modem would be given what it cannot send, or a message go elsewhere."""
    with pytest.raises(ValueError, match=why):
        encode_submit(number, Piece(text, False, None), **settings)


def test_data_are_sent_as_data() -> None:
    """8 bit data would be sent as letters."""
    message = decode(encode_submit(Address("0812"), Piece("\xff\x00", False, None, binary=True))[0])
    assert isinstance(message, Submit)
    assert (message.coding, message.text) == (Coding("8bit"), "\xff\x00")


def test_a_report_with_a_text_and_no_coding_is_in_the_default_alphabet() -> None:
    """A program would not know how the text of such a report was written (clause 9.2.3.27: absent means default)."""
    report = decode(REPORT + "0405E8329BFD06")
    assert isinstance(report, StatusReport)
    assert (report.text, report.coding) == ("hello", Coding())
