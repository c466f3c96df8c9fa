"""Pure: UCS-2 as phones use it, which is UTF-16 big endian (3GPP TS 23.038 clause 6.2.3).

A phone may split a surrogate pair over two parts of a long message. A half alone is no character and no UTF-8 text
can hold it, so it is kept as a stand-in of plane 16 (U+10F000 + unit - 0xD800) until the parts are joined. A
character that is itself a stand-in's (U+10F000 to U+10F8FF) is kept as the stand-ins of its own halves, so nothing is
taken for what it is not.
"""

from __future__ import annotations

import re

_STAND_IN = 0x10F000 - 0xD800
_LONE = re.compile("[\ud800-\udfff]")
_OPEN = re.compile("[\ud800-\udfff\U0010f000-\U0010f8ff]")
_HALVES = re.compile("[\U0010f000-\U0010f3ff][\U0010f400-\U0010f7ff]|[\U0010f000-\U0010f7ff]")


def units(text: str) -> int:
    """How many 16-bit units `text` takes."""
    return len(text) + sum(character > "\uffff" for character in text)


def encode(text: str) -> bytes:
    """The octets of `text`; a lone surrogate becomes U+FFFD."""
    return _LONE.sub("\ufffd", text).encode("utf-16-be")


def decode(octets: bytes) -> str:
    """The text of `octets`, halves of pairs as stand-ins. ValueError for an odd number of octets."""
    if len(octets) % 2:
        raise ValueError("an odd number of octets is no UCS-2 text")
    text = octets.decode("utf-16-be", "surrogatepass")
    return _OPEN.sub(_stand_ins, text)


def _stand_ins(found: re.Match[str]) -> str:
    octets = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(chr(_STAND_IN + (high << 8 | low)) for high, low in zip(octets[::2], octets[1::2], strict=True))


def join(text: str) -> str:
    """`text` with neighbouring halves made whole again; a half that stays alone becomes U+FFFD."""
    return _HALVES.sub(_whole, text)


def _whole(found: re.Match[str]) -> str:
    if len(found[0]) == 1:
        return "\ufffd"
    high, low = (ord(half) - _STAND_IN for half in found[0])
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
