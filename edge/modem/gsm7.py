"""Pure: the GSM 7 bit default alphabet, its extension and the national tables (3GPP TS 23.038 clause 6.2.1, annex A).

A text becomes septets (one a byte, 0 to 127), septets are packed into octets least significant bit first
(clause 6.1.2.1.1). National tables are read, never written: what the default alphabet lacks is sent as UCS-2. Of the
national tables those of Turkish, Spanish and Portuguese are carried; a character of any other one is U+FFFD.
A phone may divide an escape sequence over two parts of a long message. The escape is then kept as a stand-in of
plane 16 (U+10F800 and up) that says by which tables it was written, until `join` completes it.
"""

from __future__ import annotations

import re
from types import MappingProxyType

ESCAPE = 0x1B
UNKNOWN = "\ufffd"
DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_TURKISH = {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"}
_SPANISH = {0x09: "ç", 0x41: "Á", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x61: "á", 0x69: "í", 0x6F: "ó", 0x75: "ú"}
_PORTUGUESE = (
    {0x05: "ê", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á", 0x12: "Φ", 0x13: "Γ", 0x15: "Ω", 0x16: "Π"}
    | {0x17: "Ψ", 0x18: "Σ", 0x19: "Θ", 0x1F: "Ê", 0x41: "À", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x5B: "Ã", 0x5C: "Õ"}
    | {0x61: "Â", 0x69: "í", 0x6F: "ó", 0x75: "ú", 0x7B: "ã", 0x7C: "õ", 0x7F: "â"}
)
_TURKISH_LOCKING = {0x04: "€", 0x07: "ı", 0x0B: "Ğ", 0x0C: "ğ", 0x1C: "Ş", 0x1D: "ş", 0x40: "İ", 0x60: "ç"}
_PORTUGUESE_LOCKING = (
    {0x04: "ê", 0x06: "ú", 0x07: "í", 0x08: "ó", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á", 0x12: "ª"}
    | {0x13: "Ç", 0x14: "À", 0x15: "∞", 0x16: "^", 0x17: "\\", 0x18: "€", 0x19: "Ó", 0x1A: "|", 0x1C: "Â", 0x1D: "â"}
    | {0x1E: "Ê", 0x24: "º", 0x40: "Í", 0x5B: "Ã", 0x5C: "Õ", 0x5D: "Ú", 0x60: "~", 0x7B: "ã", 0x7C: "õ", 0x7D: "`"}
)


def _locking(changes: dict[int, str]) -> str:
    return "".join(changes.get(code, character) for code, character in enumerate(DEFAULT))


LOCKING = MappingProxyType({0: DEFAULT, 1: _locking(_TURKISH_LOCKING), 3: _locking(_PORTUGUESE_LOCKING)})
SINGLE = MappingProxyType(
    {0: _EXTENSION, 1: _EXTENSION | _TURKISH, 2: _EXTENSION | _SPANISH, 3: _EXTENSION | _PORTUGUESE}
)
_NO_TABLE = UNKNOWN * 128
_NO_EXTENSION = dict.fromkeys(range(128), UNKNOWN)
_DIVIDED = 0x10F800
_OPEN = re.compile("([\U0010f800-\U0010f8ff])(.?)", re.DOTALL)
_SEPTETS = {character: bytes((code,)) for code, character in enumerate(DEFAULT) if code != ESCAPE} | {
    character: bytes((ESCAPE, code)) for code, character in _EXTENSION.items()
}


def encodable(text: str) -> bool:
    """Whether the default alphabet and its extension hold every character of `text`."""
    return all(character in _SEPTETS for character in text)


def encode(text: str) -> bytes:
    """The septets of `text`; a character of the extension takes two. ValueError where `encodable` is false."""
    try:
        return b"".join([_SEPTETS[character] for character in text])
    except KeyError:
        raise ValueError("the text has a character outside the GSM 7 bit alphabet") from None


def decode(septets: bytes, *, locking: int = 0, single: int = 0) -> str:
    """The text of `septets` by the national tables `locking` and `single` (0: the default ones).

    An escape before a code that the extension lacks shows the main table's character, an escape before an escape a
    space (clause 6.2.1.1). A character of a table that is not carried is U+FFFD. An escape at the very end stays as a
    stand-in: `join` completes it with the next part, or makes it a space.
    """
    main, extension = LOCKING.get(locking, _NO_TABLE), SINGLE.get(single, _NO_EXTENSION)
    text, escaped = [], False
    for septet in septets:
        if escaped:
            text.append(" " if septet == ESCAPE else extension.get(septet, main[septet]))
            escaped = False
        elif septet == ESCAPE:
            escaped = True
        else:
            text.append(main[septet])
    return "".join(text) + (chr(_DIVIDED + 16 * min(locking, 15) + min(single, 15)) if escaped else "")


def join(text: str) -> str:
    """`text` of one or more parts with divided escape sequences completed."""
    return _OPEN.sub(_completed, text)


def _completed(found: re.Match[str]) -> str:
    locking, single = divmod(ord(found[1]) - _DIVIDED, 16)
    code = LOCKING.get(locking, _NO_TABLE).find(found[2]) if found[2] else -1
    return SINGLE.get(single, _NO_EXTENSION).get(code, found[2] or " ")


def pack(septets: bytes, *, fill: int = 0) -> bytes:
    """Octets of `septets`, after `fill` zero bits (0 to 6) that align them behind a user data header."""
    value = int.from_bytes(_bits(septets), "little") << fill
    return value.to_bytes((fill + 7 * len(septets) + 7) // 8, "little")


def _bits(septets: bytes) -> bytes:
    value = 0
    for place, septet in enumerate(septets):
        value |= septet << (7 * place)
    return value.to_bytes((7 * len(septets) + 7) // 8, "little")


def unpack(octets: bytes, count: int, *, fill: int = 0) -> bytes:
    """The first `count` septets of `octets` after `fill` bits. ValueError when the octets hold fewer."""
    if len(octets) * 8 < fill + 7 * count:
        raise ValueError(f"{len(octets)} octets do not hold {count} septets")
    value = int.from_bytes(octets, "little") >> fill
    return bytes((value >> (7 * place)) & 0x7F for place in range(count))
