from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import gsm7
from edge.modem.codec import ucs2
from edge.modem.codec.userdata import write_user_data
from edge.modem.concat import Concat, assemble, split
from tests.unit.modem.codec.test_ucs2 import any_text
from tests.unit.modem.test_gsm7 import texts


@pytest.mark.parametrize(
    ("text", "parts", "unicode"),
    [
        ("", 1, False),
        ("a" * 160, 1, False),
        ("a" * 161, 2, False),
        ("a" * 306, 2, False),
        ("a" * 307, 3, False),
        ("a" * 159 + "€", 2, False),
        ("a" * 152 + "€" + "a" * 151, 2, False),  # the escape does not straddle the 153rd septet
        ("a" * 152 + "€" + "a" * 153, 3, False),
        ("ā" * 70, 1, True),
        ("ā" * 71, 2, True),
        ("🎉" * 35, 1, True),
        ("🎉" * 36, 2, True),
        ("🎉" * 66, 2, True),
        ("🎉" * 67, 3, True),  # a pair never straddles the 67th unit
    ],
)
def test_the_fewest_parts(text: str, parts: int, unicode: bool) -> None:
    """A message would cost more than it must, or be cut inside a character."""
    pieces = split(text, 7)
    assert len(pieces) == parts
    assert {piece.unicode for piece in pieces} == {unicode}
    wanted = [Concat(7, parts, number) for number in range(1, parts + 1)] if parts > 1 else [None]
    assert [piece.concat for piece in pieces] == wanted


@given(st.one_of(texts.map(lambda text: text * 3), any_text))
def test_parts_join_to_the_text(text: str) -> None:
    """A split message would lose or repeat characters, or a part would not fit."""
    pieces = split(text, 0)
    assert "".join(piece.text for piece in pieces) == text
    octets = 140 if len(pieces) == 1 else 140 - 6
    for piece in pieces:
        bits = 16 * ucs2.units(piece.text) if piece.unicode else 7 * len(gsm7.encode(piece.text))
        assert bits <= 8 * octets


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 304, 2),
        ("a" * 305, 3),
        ("a" * 151 + "€" + "a" * 151, 3),  # the escape does not straddle the 152nd septet
        ("ā" * 70, 1),
        ("ā" * 132, 2),
        ("ā" * 133, 3),
        ("🎉" * 66, 2),
        ("🎉" * 67, 3),
    ],
)
def test_wide_references_take_an_octet_more(text: str, parts: int) -> None:
    """A part with a 16-bit reference would not fit its TPDU."""
    pieces = split(text, 0x12345, wide=True)
    wanted = [Concat(0x2345, parts, number, wide=True) for number in range(1, parts + 1)] if parts > 1 else [None]
    assert [piece.concat for piece in pieces] == wanted
    assert all(write_user_data(piece) for piece in pieces)


@pytest.mark.parametrize(
    ("text", "parts", "unicode", "sent"),
    [
        ("Bapak “Ali” – RT 3…", 1, False, 'Bapak "Ali" - RT 3...'),
        ("a" * 100 + "’", 1, False, "a" * 100 + "'"),
        ("“ā”", 1, True, "“ā”"),  # it would stay UCS-2: nothing is gained
        ("…" * 70, 1, True, "…" * 70),  # 210 full stops need a part more
        ("biasa", 1, False, "biasa"),
    ],
)
def test_typographic_signs_give_way_when_allowed(text: str, parts: int, unicode: bool, sent: str) -> None:
    """One pasted quote would more than double the price, or a text be changed for nothing."""
    pieces = split(text, 0, transliterate=True)
    assert (len(pieces), {piece.unicode for piece in pieces}) == (parts, {unicode})
    assert "".join(piece.text for piece in pieces) == sent
    assert "".join(piece.text for piece in split(text, 0)) == text


def test_more_than_255_parts_are_refused() -> None:
    """A header cannot count further; the message would come out in a wrong order."""
    assert len(split("a" * 153 * 255, 0)) == 255
    with pytest.raises(ValueError, match="256 parts"):
        split("a" * (153 * 255 + 1), 0)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["abc", "def"], "abcdef"),
        ([gsm7.decode(b"harga 5 \x1b"), "e"], "harga 5 €"),  # the escape sequence was divided
        ([gsm7.decode(b"end\x1b")], "end "),
        ([gsm7.decode(b"\x1b"), "A"], "A"),
        ([gsm7.decode(b"\x1b"), ucs2.decode(b"\xd8\x3c"), ucs2.decode(b"\xdf\x89")], "🎉"),
        (["\x1b", "e"], "\x1be"),  # a control character that was sent as such
        ([ucs2.decode("\U0010f800e".encode("utf-16-be"))], "\U0010f800e"),
        ([ucs2.decode(b"\xd8\x3c"), ucs2.decode(b"\xdf\x89")], "🎉"),
        ([ucs2.decode(b"\xd8\x3c"), "x"], "\ufffdx"),
        ([], ""),
    ],
)
def test_divided_characters_are_mended(parts: list[str], text: str) -> None:
    """What a phone cut in two would stay in two."""
    assert assemble(parts) == text
