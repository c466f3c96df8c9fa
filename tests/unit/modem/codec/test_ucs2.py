from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.codec import ucs2

any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
stand_ins = st.text(alphabet="a🎉" + "".join(map(chr, range(0x10EFFF, 0x10F902, 0x80))) + "\U0010f3ff\U0010f400")


@given(st.one_of(any_text, stand_ins))
def test_every_text_comes_back(text: str) -> None:
    """A character outside the first plane would break."""
    octets = ucs2.encode(text)
    assert len(octets) == 2 * ucs2.units(text)
    assert ucs2.join(ucs2.decode(octets)) == text


@given(st.one_of(any_text, stand_ins), st.data())
def test_a_text_cut_anywhere_is_joined(text: str, data: st.DataObject) -> None:
    """A surrogate pair that a phone split over two parts would become two question marks."""
    octets = ucs2.encode(text)
    cut = 2 * data.draw(st.integers(0, len(octets) // 2))
    halves = ucs2.decode(octets[:cut]) + ucs2.decode(octets[cut:])
    halves.encode("utf-8")  # what the store needs
    assert ucs2.join(halves) == text


def test_a_half_that_stays_alone_is_shown_as_such() -> None:
    """A lone surrogate would crash the store or the page."""
    assert ucs2.join(ucs2.decode(bytes.fromhex("0041D83C0042"))) == "A\ufffdB"
    assert ucs2.encode("\ud83c") == b"\xff\xfd"


def test_an_odd_number_of_octets_is_refused() -> None:
    """The last octet would be guessed."""
    with pytest.raises(ValueError, match="odd"):
        ucs2.decode(b"\x00A\x00")
