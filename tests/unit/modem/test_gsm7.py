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
        (b"\x1b\x0d", "\r"),  # CR2 is a control, shown as the main table's
        (b"A\x1b", "A "),  # nothing completes it
        (b"\x00", "@"),
    ],
)
def test_escapes(septets: bytes, text: str) -> None:
    """An escape sequence would swallow or invent characters."""
    assert gsm7.join(gsm7.decode(septets)) == text


# TS 23.038 clause 6.2.1, a column of the standard's table a line: the codes 0x00 to 0x0F, 0x10 to 0x1F and so on.
COLUMNS = (
    "0040 00A3 0024 00A5 00E8 00E9 00F9 00EC 00F2 00C7 000A 00D8 00F8 000D 00C5 00E5",
    "0394 005F 03A6 0393 039B 03A9 03A0 03A8 03A3 0398 039E 001B 00C6 00E6 00DF 00C9",
    "0020 0021 0022 0023 00A4 0025 0026 0027 0028 0029 002A 002B 002C 002D 002E 002F",
    "0030 0031 0032 0033 0034 0035 0036 0037 0038 0039 003A 003B 003C 003D 003E 003F",
    "00A1 0041 0042 0043 0044 0045 0046 0047 0048 0049 004A 004B 004C 004D 004E 004F",
    "0050 0051 0052 0053 0054 0055 0056 0057 0058 0059 005A 00C4 00D6 00D1 00DC 00A7",
    "00BF 0061 0062 0063 0064 0065 0066 0067 0068 0069 006A 006B 006C 006D 006E 006F",
    "0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007A 00E4 00F6 00F1 00FC 00E0",
)
# Clause 6.2.1.1: the only codes that mean something of their own behind an escape.
EXTENSION = "0A 000C 14 005E 28 007B 29 007D 2F 005C 3C 005B 3D 007E 3E 005D 40 007C 65 20AC"
# Annex A.2 and A.3: code and character where a national table differs from the default one or its extension.
SINGLE = {
    1: "47 011E 49 0130 53 015E 63 00E7 67 011F 69 0131 73 015F",
    2: "09 00E7 41 00C1 49 00CD 4F 00D3 55 00DA 61 00E1 69 00ED 6F 00F3 75 00FA",
    3: "05 00EA 09 00E7 0B 00D4 0C 00F4 0E 00C1 0F 00E1 12 03A6 13 0393 15 03A9 16 03A0 17 03A8 18 03A3 19 0398 "
    "1F 00CA 41 00C0 49 00CD 4F 00D3 55 00DA 5B 00C3 5C 00D5 61 00C2 69 00ED 6F 00F3 75 00FA 7B 00E3 7C 00F5 7F 00E2",
}
LOCKING = {
    1: "04 20AC 07 0131 0B 011E 0C 011F 1C 015E 1D 015F 40 0130 60 00E7",
    3: "04 00EA 06 00FA 07 00ED 08 00F3 09 00E7 0B 00D4 0C 00F4 0E 00C1 0F 00E1 12 00AA 13 00C7 14 00C0 15 221E "
    "16 005E 17 005C 18 20AC 19 00D3 1A 007C 1C 00C2 1D 00E2 1E 00CA 24 00BA 40 00CD 5B 00C3 5C 00D5 5D 00DA 60 007E "
    "7B 00E3 7C 00F5 7D 0060",
}


def pairs(line: str) -> dict[int, str]:
    written = line.split()
    return {int(code, 16): chr(int(value, 16)) for code, value in zip(written[::2], written[1::2], strict=True)}


def test_the_default_alphabet_is_the_standards() -> None:
    """One wrong letter among the 128 would be wrong in every message."""
    table = [chr(int(code, 16)) for column in COLUMNS for code in column.split()]
    assert len(table) == 128
    for code, character in enumerate(table):
        if code != gsm7.ESCAPE:
            assert gsm7.decode(bytes((code,))) == character
            assert gsm7.encode(character) == bytes((code,))


def test_the_extension_is_the_standards() -> None:
    """A euro sign or a bracket would come out as another character."""
    extension = pairs(EXTENSION)
    for code in set(range(128)) - {gsm7.ESCAPE}:
        shown = gsm7.decode(bytes((gsm7.ESCAPE, code)))
        assert shown == extension.get(code, gsm7.DEFAULT[code])
        if code in extension:
            assert gsm7.encode(shown) == bytes((gsm7.ESCAPE, code))


@pytest.mark.parametrize("language", SINGLE)
def test_the_single_shift_tables_are_the_standards(language: int) -> None:
    """A letter of a phone set to Turkish, Spanish or Portuguese would come out wrong."""
    table = pairs(EXTENSION) | pairs(SINGLE[language])
    for code in set(range(128)) - {gsm7.ESCAPE}:
        shown = gsm7.decode(bytes((gsm7.ESCAPE, code)), single=language)
        assert shown == table.get(code, gsm7.DEFAULT[code])


@pytest.mark.parametrize("language", LOCKING)
def test_the_locking_shift_tables_are_the_standards(language: int) -> None:
    """As above, for the letters that need no escape; a letter that stands twice could not be completed."""
    table = pairs(LOCKING[language])
    shown = [gsm7.decode(bytes((code,)), locking=language) for code in range(128) if code != gsm7.ESCAPE]
    assert shown == [table.get(code, gsm7.DEFAULT[code]) for code in range(128) if code != gsm7.ESCAPE]
    assert len(set(shown)) == 127


@pytest.mark.parametrize(
    ("locking", "single", "septets", "text"),
    [
        (0, 6, b"A\x1bA \x1b\x65", "A\ufffd \ufffd"),  # Hindi behind the escape
        (6, 0, b"A1 \x1b\x65", "\ufffd\ufffd\ufffd€"),  # Hindi in the main table
        (13, 13, b"A\x1bA\x1b\x1b", "\ufffd\ufffd "),
        (0, 99, b"\x1b(", "\ufffd"),  # reserved
        (2, 0, b"A", "\ufffd"),  # Spanish has no locking table
    ],
)
def test_tables_not_carried_show_no_wrong_letter(locking: int, single: int, septets: bytes, text: str) -> None:
    """A letter of an Indian language would be shown as some Latin one."""
    assert gsm7.decode(septets, locking=locking, single=single) == text


@pytest.mark.parametrize(
    ("locking", "single", "first", "second", "text"),
    [
        (0, 0, b"Rp 5 \x1b", b"e", "Rp 5 €"),
        (0, 0, b"a\x1b", b"A", "aA"),
        (0, 1, b"\x1b", b"S", "Ş"),
        (3, 3, b"\x1b", b"\x7f", "â"),
        (1, 1, b"\x1b", b"\x65", "€"),
        (0, 6, b"\x1b", b"A", "\ufffd"),
        (6, 0, b"\x1b", b"A", "\ufffd"),
        (255, 255, b"\x1b", b"A", "\ufffd"),
    ],
)
def test_a_divided_escape_is_completed(locking: int, single: int, first: bytes, second: bytes, text: str) -> None:
    """A phone that cuts a long text at 153 septets blindly would have its euro sign read as "e"."""
    parts = [gsm7.decode(part, locking=locking, single=single) for part in (first, second)]
    "".join(parts).encode()  # what the store needs
    assert gsm7.join("".join(parts)) == text


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
