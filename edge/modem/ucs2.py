"""Pure: UCS-2 as phones use it, which is UTF-16 big endian (3GPP TS 23.038 clause 6.2.3).

A phone may split a surrogate pair over two parts of a long message. A half alone is no character and no UTF-8 text
can hold it, so it is kept as a stand-in of plane 16 (U+10F000 + unit - 0xD800) until the parts are joined.
"""

from __future__ import annotations

import re

_STAND_IN = 0x10F000 - 0xD800
_LONE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\U0010f000-\U0010f3ff][\U0010f400-\U0010f7ff]")
_ANY_STAND_IN = re.compile("[\U0010f000-\U0010f7ff]")


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
    return _LONE.sub(lambda half: chr(ord(half[0]) + _STAND_IN), text)


def join(text: str) -> str:
    """`text` with neighbouring halves made whole again; a half that stays alone becomes U+FFFD."""
    return _ANY_STAND_IN.sub("\ufffd", _PAIR.sub(_whole, text))


def _whole(pair: re.Match[str]) -> str:
    high, low = (ord(half) - _STAND_IN for half in pair[0])
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
