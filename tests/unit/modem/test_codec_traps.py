"""The traps that libraries fall into, one a test, with PDUs put together by hand from the clauses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edge.modem import gsm7
from edge.modem.codec import ucs2
from edge.modem.concat import Concat, assemble, split
from edge.modem.pdu import Address, Deliver, PduError, decode, encode_deliver, encode_submit

SENDER = "0B912618214365F7"  # +62811234567
STAMP = "62112221034582"  # 2026-11-22 12:30:54 +07:00


def deliver(data: str, *, coding: int = 0, sender: str = SENDER, stamp: str = STAMP, header: bool = False) -> Deliver:
    message = decode(f"00{'44' if header else '04'}{sender}00{coding:02X}{stamp}{data}")
    assert isinstance(message, Deliver)
    return message


def test_a_16_bit_reference() -> None:
    """Its halves would be taken for a total and a number, or two messages be mixed."""
    part = deliver("0A" + "060804BEEF0302" + "C834", header=True)  # eight septets of header, no fill bits
    assert (part.text, part.concat) == ("Hi", Concat(0xBEEF, 3, 2, wide=True))


def test_another_header_of_seven_octets() -> None:
    """Ports would be taken for a reference, or the text begin in the middle of the header."""
    part = deliver("0A" + "0605040B8423F0" + "C834", header=True)
    assert (part.text, part.concat, part.port, part.source_port) == ("Hi", None, 0x0B84, 0x23F0)


def test_an_8_bit_reference_and_its_fill_bit() -> None:
    """Every letter of a long message would be shifted by a bit."""
    part = deliver("09" + "050003420201" + "9069", header=True)
    assert (part.text, part.concat) == ("Hi", Concat(0x42, 2, 1))


@pytest.mark.parametrize("character", "€[]{}~^|\\")
def test_an_extension_character_at_the_153rd_septet(character: str) -> None:
    """Its escape would end one part and its letter begin the next, which most phones show as two characters."""
    pieces = split("a" * 152 + character + "b" * 10, 1)
    assert [piece.text for piece in pieces] == ["a" * 152, character + "b" * 10]


def test_an_extension_character_that_another_phone_divided() -> None:
    """The euro sign would be read as "e"."""
    first = deliver("09" + "050003420201" + gsm7.pack(b"A\x1b", fill=1).hex(), header=True)
    second = deliver("09" + "050003420202" + gsm7.pack(b"e!", fill=1).hex(), header=True)
    assert assemble([first.text, second.text]) == "A€!"


@pytest.mark.parametrize("lead", range(4))
def test_emoji_are_never_divided(lead: int) -> None:
    """A surrogate pair over two parts shows two boxes."""
    text = "a" * lead + "🎉" * 100
    pieces = split(text, 1)
    assert "".join(piece.text for piece in pieces) == text
    for piece in pieces:
        assert ucs2.encode(piece.text).decode("utf-16-be") == piece.text
        assert decode(encode_submit(Address("0812"), piece)[0]).text == piece.text


def test_emoji_that_another_phone_divided() -> None:
    """Two replacement characters would stand where a face was."""
    first = deliver("0A" + "050003420201" + "0041" + "D83C", coding=8, header=True)
    second = deliver("0A" + "050003420202" + "DF89" + "0042", coding=8, header=True)
    assert assemble([first.text, second.text]) == "A🎉B"
    assert assemble([first.text]) == "A\ufffd"


def test_a_sender_of_seven_characters() -> None:
    """The padding of INDOSAT would become a trailing "@"."""
    for length in ("0D", "0E"):
        part = deliver("00", sender=length + "D04927F1390D5201")
        assert part.sender == Address("INDOSAT", alphanumeric=True)


def test_a_text_that_ends_in_an_at_sign_at_a_multiple_of_eight_septets() -> None:
    """A sign would be lost as if it were padding."""
    assert deliver("083710BA2EAF9B01").text == "7 huruf@"
    assert deliver("073710BA2EAF9B01").text == "7 huruf"


def test_a_national_single_shift_table() -> None:
    """A Turkish name would be read as other letters."""
    part = deliver("09" + "03240101" + "D84C3767", header=True)
    assert (part.text, part.flawed) == ("Şğ", False)


def test_a_national_locking_shift_table() -> None:
    """Without an escape the wrong letters look like right ones."""
    septets = gsm7.pack(b"\x0c\x1d\x40", fill=3).hex()
    part = deliver("08" + "03250101" + septets, header=True)
    assert (part.text, part.flawed) == ("ğşİ", False)


@pytest.mark.parametrize(("element", "text"), [("240106", "a\ufffdb"), ("250106", "\ufffd\ufffd\ufffd")])
def test_a_national_table_that_is_not_carried(element: str, text: str) -> None:
    """Hindi would be shown as Latin letters that nobody wrote."""
    part = deliver("09" + "03" + element + gsm7.pack(b"a\x1bAb", fill=3).hex(), header=True)
    assert part.flawed
    assert part.text == text


@pytest.mark.parametrize(
    ("coding", "data", "text"),
    [
        (0xC8, "02C834", "Hi"),  # voicemail waits; the text may be discarded
        (0xE0, "0400480069", "Hi"),  # no voicemail waits; UCS-2
        (0xF1, "02C834", "Hi"),  # class 1
        (0xF5, "024869", "Hi"),  # class 1, 8 bit
        (0x10, "02C834", "Hi"),  # flash
        (0x18, "0400480069", "Hi"),  # flash, UCS-2
        (0x0C, "02C834", "Hi"),  # reserved
        (0x90, "02C834", "Hi"),  # reserved
    ],
)
def test_rare_data_codings(coding: int, data: str, text: str) -> None:
    """Letters would be read as halves of others."""
    part = deliver(data, coding=coding)
    assert (part.text, part.flash) == (text, coding in (0x10, 0x18))


@pytest.mark.parametrize(
    ("stamp", "wanted"),
    [
        ("6211222103458A", "2026-11-22T12:30:54-07:00"),
        ("62112221034529", "2026-11-22T12:30:54-03:00"),
        ("6211222103450A", "2026-11-22T12:30:54-05:00"),
        ("62112221034580", "2026-11-22T12:30:54+02:00"),
    ],
)
def test_time_zones(stamp: str, wanted: str) -> None:
    """A negative zone would become one of plus 20 hours, or the time be off by hours."""
    assert deliver("00", stamp=stamp).timestamp == wanted


@pytest.mark.parametrize("stamp", ["00000000000000", "FFFFFFFFFFFFFF", "62992221034582"])
def test_a_stamp_that_names_no_moment(stamp: str) -> None:
    """A message with an empty time stamp would be lost for it."""
    part = deliver("02C834", stamp=stamp)
    assert (part.text, part.timestamp) == ("Hi", "")


@pytest.mark.parametrize("length", range(1, 8))
def test_a_length_that_is_not_the_texts(length: int) -> None:
    """A cut off text would be stored as if it were all."""
    with pytest.raises(PduError, match="where its length says"):
        deliver(f"{length:02X}" + "4142" * 4, coding=4)


@pytest.mark.parametrize(
    "text", ["", "@", "@@@@@@@@", "a" * 160, "€" * 80, "\n\r", "Ω" * 70, "🎉" * 35, "\x1b", "\x00"]
)
def test_texts_on_the_edge(text: str) -> None:
    """A text that just fits would lose its end or be given a second part."""
    (piece,) = split(text, 0)
    delivered = decode(encode_deliver(Address("0812"), piece, datetime(2026, 11, 22, tzinfo=UTC))[0])
    assert isinstance(delivered, Deliver)
    assert (assemble([delivered.text]), delivered.flash, delivered.more) == (text, False, False)
    assert assemble([decode(encode_submit(Address("0812"), piece)[0]).text]) == text
