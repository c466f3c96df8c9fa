from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import gsm7, ucs2
from edge.modem.concat import Concat, assemble, split
from tests.unit.modem.test_gsm7 import texts
from tests.unit.modem.test_ucs2 import no_stand_ins


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


@given(st.one_of(texts.map(lambda text: text * 3), no_stand_ins))
def test_parts_join_to_the_text(text: str) -> None:
    """A split message would lose or repeat characters, or a part would not fit."""
    pieces = split(text, 0)
    assert "".join(piece.text for piece in pieces) == text
    room = 160 if len(pieces) == 1 else 153
    for piece in pieces:
        size = math.ceil(ucs2.units(piece.text) * 16 / 7) if piece.unicode else len(gsm7.encode(piece.text))
        assert size <= room


def test_more_than_255_parts_are_refused() -> None:
    """A header cannot count further; the message would come out in a wrong order."""
    assert len(split("a" * 153 * 255, 0)) == 255
    with pytest.raises(ValueError, match="256 parts"):
        split("a" * (153 * 255 + 1), 0)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["abc", "def"], "abcdef"),
        (["harga 5 \x1b", "e"], "harga 5 €"),  # the escape sequence was divided
        (["end\x1b"], "end "),
        (["\x1b", "A"], "A"),
        ([ucs2.decode(b"\xd8\x3c"), ucs2.decode(b"\xdf\x89")], "🎉"),
        ([ucs2.decode(b"\xd8\x3c"), "x"], "\ufffdx"),
        ([], ""),
    ],
)
def test_divided_characters_are_mended(parts: list[str], text: str) -> None:
    """What a phone cut in two would stay in two."""
    assert assemble(parts) == text
