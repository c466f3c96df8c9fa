"""Pure: long messages, split and joined (3GPP TS 23.040 clause 9.2.3.24.1).

`split` never divides an escape sequence or a surrogate pair; `assemble` mends the ones that others divided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.modem import gsm7
from edge.modem.codec import typography, ucs2

MOST_PARTS = 255
SINGLE_SEPTETS, SINGLE_UNITS = 160, 70
PART_SEPTETS, PART_UNITS = 153, 67
WIDE_PART_SEPTETS, WIDE_PART_UNITS = 152, 66


@dataclass(frozen=True, slots=True)
class Concat:
    """Where a part belongs: `sequence` of `total` (both 1 to 255) under a `reference` of 8 or, if `wide`, 16 bits."""

    reference: int
    total: int
    sequence: int
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A text that fits one TPDU; `unicode` says that it needs UCS-2.

    If `binary` it is data instead, an octet a character (U+0000 to U+00FF).
    """

    text: str
    unicode: bool
    concat: Concat | None
    binary: bool = False


def split(text: str, reference: int, *, wide: bool = False, transliterate: bool = False) -> tuple[Piece, ...]:
    """The fewest parts that carry `text`: one without a header if it fits, else parts under `reference`.

    The reference is cut to 8 or, if `wide`, 16 bits. One character outside the GSM alphabet makes all of it UCS-2;
    with `transliterate` typographic quotes, dashes, ellipses and spaces are written plainly where that alone avoids
    it and needs no more parts. ValueError beyond 255 parts.
    """
    texts, unicode = _cut(text, wide=wide)
    if unicode and transliterate:
        plain, still = _cut(typography.plain(text), wide=wide)
        if not still and len(plain) <= len(texts):
            texts, unicode = plain, False
    if len(texts) > MOST_PARTS:
        raise ValueError(f"the text needs {len(texts)} parts, more than {MOST_PARTS}")
    if len(texts) == 1:
        return (Piece(texts[0], unicode, None),)
    reference &= 0xFFFF if wide else 0xFF
    return tuple(
        Piece(part, unicode, Concat(reference, len(texts), number, wide)) for number, part in enumerate(texts, 1)
    )


def assemble(texts: Iterable[str]) -> str:
    """The whole text of decoded parts in order; also settles what is left open in a single part."""
    return ucs2.join(gsm7.join("".join(texts)))


def _cut(text: str, *, wide: bool) -> tuple[list[str], bool]:
    """The texts of the parts, and whether they need UCS-2."""
    if gsm7.encodable(text):
        part = WIDE_PART_SEPTETS if wide else PART_SEPTETS
        return _fill(text, SINGLE_SEPTETS, part, _septets), False
    return _fill(text, SINGLE_UNITS, WIDE_PART_UNITS if wide else PART_UNITS, ucs2.units), True


def _septets(text: str) -> int:
    return len(gsm7.encode(text))


def _fill(text: str, single: int, part: int, cost: Callable[[str], int]) -> list[str]:
    if cost(text) <= single:
        return [text]
    texts, start, used = [], 0, 0
    for place, character in enumerate(text):
        needed = cost(character)
        if used + needed > part:
            texts.append(text[start:place])
            start, used = place, 0
        used += needed
    return [*texts, text[start:]]
