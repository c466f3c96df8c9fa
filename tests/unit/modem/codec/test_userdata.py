from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import gsm7
from edge.modem.codec.coding import Alphabet
from edge.modem.codec.fields import PduError, Reader
from edge.modem.codec.userdata import UserData, read_user_data, write_user_data
from edge.modem.concat import Concat, Piece, assemble, split
from tests.unit.modem.codec.test_ucs2 import any_text
from tests.unit.modem.test_gsm7 import texts


def read(hexadecimal: str, alphabet: Alphabet = "gsm7", *, has_header: bool = True) -> UserData:
    return read_user_data(Reader(bytes.fromhex(hexadecimal)), alphabet, has_header=has_header)


@given(st.one_of(texts, any_text), st.booleans())
def test_pieces_come_back(text: str, wide: bool) -> None:
    """The header's fill bits would shift the text of a long message."""
    for piece in split(text, 200):
        place = piece.concat and Concat(0x1234 if wide else piece.concat.reference, 3, 2, wide)
        short = Piece(piece.text[:100] if not piece.unicode else piece.text[:30], piece.unicode, place)
        back = read_user_data(
            Reader(write_user_data(short)), "ucs2" if short.unicode else "gsm7", has_header=place is not None
        )
        assert assemble([back.text]) == short.text
        assert back.concat == place


@pytest.mark.parametrize(
    ("hexadecimal", "alphabet", "wanted"),
    [
        ("08" + "050003420201" + "0041", "ucs2", UserData("A", Concat(0x42, 2, 1))),
        ("09" + "06080412340201" + "0041", "ucs2", UserData("A", Concat(0x1234, 2, 1, wide=True))),
        ("07" + "050003420203" + "41", "8bit", UserData("A", None)),  # part 3 of 2 is ignored
        ("07" + "050003420001" + "41", "8bit", UserData("A", None)),
        ("08" + "06050423F40000" + "41", "8bit", UserData("A", port=0x23F4, source_port=0)),
        ("06" + "04040223F4" + "41", "8bit", UserData("A", port=0x23, source_port=0xF4)),
        ("06" + "047F020102" + "41", "8bit", UserData("A")),  # an unknown element is passed over
        ("07" + "050003420000" + "41", "8bit", UserData("A", None)),
        (
            "0C" + "0A" + "0003410201" + "0003420202" + "41",
            "8bit",
            UserData("A", Concat(0x42, 2, 2)),
        ),  # the last counts
        ("0D" + "0B" + "0003410201" + "080412340202" + "41", "8bit", UserData("A", Concat(0x1234, 2, 2, wide=True))),
        ("0D" + "0B" + "05040B8423F0" + "0003420201" + "41", "8bit", UserData("A", Concat(0x42, 2, 1), 0x0B84, 0x23F0)),
        ("01" + "00", "8bit", UserData("")),  # an empty header
        ("05" + "03240101" + "53", "8bit", UserData("S")),  # national tables are of 7 bit text alone
    ],
)
def test_headers(hexadecimal: str, alphabet: Alphabet, wanted: UserData) -> None:
    """A header would be shown as text, or a part put at a wrong place."""
    assert read(hexadecimal, alphabet) == wanted


@pytest.mark.parametrize(
    ("hexadecimal", "alphabet", "why"),
    [
        ("", "gsm7", "cut off"),
        ("05C8", "gsm7", "where its length says 5"),
        ("01C8C8", "gsm7", "where its length says 1"),
        ("03004100", "ucs2", "odd"),
        ("0205", "8bit", "where its length says 2"),
        ("020500", "8bit", "cut off in its header"),
        ("0403000341", "8bit", "cut off in its header element"),
        ("0503000141" + "41", "8bit", "of 1 octets"),
        ("01" + "03", "8bit", "cut off in its header"),
        ("04" + "05000342"[:8], "gsm7", "cut off in its header"),
        ("A1" + "00" * 141, "gsm7", "141 octets of user data, more than 140"),
        ("8D" + "00" * 141, "8bit", "141 octets of user data, more than 140"),
        ("01FF", "gsm7", "cut off in its header"),
    ],
)
def test_broken_user_data_is_an_error(hexadecimal: str, alphabet: Alphabet, why: str) -> None:
    """What is cut off or contradicts itself would be guessed, or crash."""
    with pytest.raises(PduError, match=why):
        read(hexadecimal, alphabet, has_header=hexadecimal not in ("", "05C8", "01C8C8", "03004100"))


@pytest.mark.parametrize("piece", [Piece("a" * 161, False, None), Piece("ā" * 68, True, Concat(1, 2, 1))])
def test_what_does_not_fit_is_refused(piece: Piece) -> None:
    """A modem would get a TPDU that no network takes."""
    with pytest.raises(ValueError, match="do not fit"):
        write_user_data(piece)


def shifted(elements: str, septets: bytes) -> str:
    """7 bit user data behind a header of `elements`."""
    header = bytes((len(elements) // 2,)) + bytes.fromhex(elements)
    skipped = -(-len(header) * 8 // 7)
    packed = gsm7.pack(septets, fill=skipped * 7 - len(header) * 8)
    return (bytes((skipped + len(septets),)) + header + packed).hex()


@pytest.mark.parametrize(
    ("elements", "septets", "text", "flawed"),
    [
        ("240101", b"\x1bS\x1b\x65", "Ş€", False),
        ("250103", b"\x5b", "Ã", False),
        ("250101240101", b"\x04\x1bG", "€Ğ", False),
        ("240106", b"abc", "abc", False),  # nothing of the missing table is used
        ("240106", b"a\x1bAc", "a\ufffdc", True),
        ("250106", b"ab", "\ufffd\ufffd", True),
        ("2401FF", b"\x1bA", "\ufffd", True),
    ],
)
def test_national_shifts(elements: str, septets: bytes, text: str, flawed: bool) -> None:
    """A table that is not carried would give wrong letters, or cost the message, or nobody would know."""
    data = read(shifted(elements, septets))
    assert (data.text, data.flawed) == (text, flawed)


def test_a_replacement_character_that_was_sent_is_no_flaw() -> None:
    """A text that is as it was written would be called damaged."""
    assert read("02FFFD", "ucs2", has_header=False) == UserData("\ufffd")


@given(st.binary(max_size=140))
def test_octets_come_back(octets: bytes) -> None:
    """8 bit data would be changed by being shown as text."""
    piece = Piece(octets.decode("latin-1"), False, None, binary=True)
    back = read_user_data(Reader(write_user_data(piece)), "8bit", has_header=False)
    assert back.text.encode("latin-1") == octets
