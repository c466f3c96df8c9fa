from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.concat import Concat, Piece, split
from edge.modem.fields import Alphabet, PduError, Reader
from edge.modem.userdata import UserData, read_user_data, write_user_data
from tests.unit.modem.test_gsm7 import texts
from tests.unit.modem.test_ucs2 import no_stand_ins


def read(hexadecimal: str, alphabet: Alphabet = "gsm7", *, has_header: bool = True) -> UserData:
    return read_user_data(Reader(bytes.fromhex(hexadecimal)), alphabet, has_header=has_header)


@given(st.one_of(texts, no_stand_ins), st.booleans())
def test_pieces_come_back(text: str, wide: bool) -> None:
    """The header's fill bits would shift the text of a long message."""
    for piece in split(text, 200):
        place = piece.concat and Concat(0x1234 if wide else piece.concat.reference, 3, 2, wide)
        short = Piece(piece.text[:100] if not piece.unicode else piece.text[:30], piece.unicode, place)
        back = read_user_data(
            Reader(write_user_data(short)), "ucs2" if short.unicode else "gsm7", has_header=place is not None
        )
        assert back.text == short.text
        assert back.concat == place


@pytest.mark.parametrize(
    ("hexadecimal", "alphabet", "wanted"),
    [
        ("08" + "050003420201" + "0041", "ucs2", UserData("A", Concat(0x42, 2, 1))),
        ("09" + "06080412340201" + "0041", "ucs2", UserData("A", Concat(0x1234, 2, 1, wide=True))),
        ("07" + "050003420203" + "41", "8bit", UserData("A", None)),  # part 3 of 2 is ignored
        ("07" + "050003420001" + "41", "8bit", UserData("A", None)),
        ("08" + "06050423F40000" + "41", "8bit", UserData("A", port=0x23F4)),
        ("06" + "04040223F4" + "41", "8bit", UserData("A", port=0x23)),
        ("06" + "047F020102" + "41", "8bit", UserData("A")),  # an unknown element is passed over
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
        ("0603240109" + "0000", "gsm7", "unknown national language table 9"),
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
