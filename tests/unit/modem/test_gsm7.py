from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import gsm7

PLAIN = "".join(character for character in gsm7.DEFAULT if character != "\x1b") + "\f^{}\\[~]|€"
texts = st.text(alphabet=PLAIN, max_size=400)


@given(texts)
def test_every_encodable_text_comes_back(text: str) -> None:
    """A character would change on its way."""
    assert gsm7.encodable(text)
    assert gsm7.decode(gsm7.encode(text)) == text


@given(st.binary(max_size=200).map(lambda data: bytes(byte & 0x7F for byte in data)), st.integers(0, 6))
def test_septets_come_back_from_octets(septets: bytes, fill: int) -> None:
    """Packing would lose or shift bits, most of all behind a header."""
    packed = gsm7.pack(septets, fill=fill)
    assert len(packed) == (fill + 7 * len(septets) + 7) // 8
    assert gsm7.unpack(packed, len(septets), fill=fill) == septets


@pytest.mark.parametrize(
    ("text", "packed"),
    [("hellohello", "E8329BFD4697D9EC37"), ("How are you?", "C8F71D14969741F977FD07"), ("€", "9B32"), ("", "")],
)
def test_published_vectors(text: str, packed: str) -> None:
    """Other phones would read something else."""
    assert gsm7.pack(gsm7.encode(text)).hex().upper() == packed


def test_an_at_sign_at_the_end_of_eight_septets_stays() -> None:
    """The last "@" of an eight-septet text would be taken for padding, or padding for an "@"."""
    assert gsm7.decode(gsm7.unpack(gsm7.pack(gsm7.encode("1234567@")), 8)) == "1234567@"
    assert gsm7.decode(gsm7.unpack(gsm7.pack(gsm7.encode("1234567")), 7)) == "1234567"


@pytest.mark.parametrize(
    ("septets", "text"),
    [
        (b"\x1b\x65", "€"),
        (b"\x1b\x41", "A"),  # not in the extension: the main table's character
        (b"\x1b\x1bA", " A"),
        (b"A\x1b", "A\x1b"),  # the next part may complete it
        (b"\x00", "@"),
    ],
)
def test_escapes(septets: bytes, text: str) -> None:
    """An escape sequence would swallow or invent characters."""
    assert gsm7.decode(septets) == text


@pytest.mark.parametrize(
    ("locking", "single", "septets", "text"),
    [
        (0, 1, b"\x1b\x53\x1b\x65", "Ş€"),
        (1, 0, b"\x04\x40\x60", "€İç"),
        (0, 2, b"\x1b\x41\x1b\x75", "Áú"),
        (3, 3, b"\x5b\x16\x1b\x7f\x1b\x15", "Ã^âΩ"),
    ],
)
def test_national_tables(locking: int, single: int, septets: bytes, text: str) -> None:
    """Letters of a phone set to another language would come out wrong."""
    assert gsm7.decode(septets, locking=locking, single=single) == text


@pytest.mark.parametrize("text", ["🎉", "ā", "\x1b", "Ş"])
def test_what_the_alphabet_lacks_is_refused(text: str) -> None:
    """A character would be dropped or replaced silently."""
    assert not gsm7.encodable(text)
    with pytest.raises(ValueError, match="outside the GSM 7 bit alphabet"):
        gsm7.encode(text)


def test_too_few_octets_are_refused() -> None:
    """Septets would be invented."""
    with pytest.raises(ValueError, match="1 octets do not hold 2 septets"):
        gsm7.unpack(b"\x00", 2)
