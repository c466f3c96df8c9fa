"""Pure: long messages, split and joined (3GPP TS 23.040 clause 9.2.3.24.1).

`split` never divides an escape sequence or a surrogate pair; `assemble` mends the ones that others divided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.modem import gsm7, ucs2

MOST_PARTS = 255
SINGLE_SEPTETS, PART_SEPTETS = 160, 153
SINGLE_UNITS, PART_UNITS = 70, 67
_DIVIDED = re.compile("\x1b(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Concat:
    """Where a part belongs: `sequence` of `total` (both 1 to 255) under a `reference` of 8 or, if `wide`, 16 bits."""

    reference: int
    total: int
    sequence: int
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A text that fits one TPDU; `unicode` says that it needs UCS-2."""

    text: str
    unicode: bool
    concat: Concat | None


def split(text: str, reference: int) -> tuple[Piece, ...]:
    """The fewest parts that carry `text`: one without a header if it fits, else parts under `reference` (8 bits).

    One character outside the GSM alphabet makes all of it UCS-2. ValueError beyond 255 parts.
    """
    unicode = not gsm7.encodable(text)
    cost: Callable[[str], int] = ucs2.units if unicode else _septets
    single, part = (SINGLE_UNITS, PART_UNITS) if unicode else (SINGLE_SEPTETS, PART_SEPTETS)
    if cost(text) <= single:
        return (Piece(text, unicode, None),)
    texts = list(_fill(text, part, cost))
    if len(texts) > MOST_PARTS:
        raise ValueError(f"the text needs {len(texts)} parts, more than {MOST_PARTS}")
    return tuple(
        Piece(piece, unicode, Concat(reference & 0xFF, len(texts), number)) for number, piece in enumerate(texts, 1)
    )


def assemble(texts: Iterable[str]) -> str:
    """The whole text of decoded parts in order; also settles what is left open in a single part."""
    joined = ucs2.join("".join(texts))
    return _DIVIDED.sub(lambda found: gsm7.extended(found[1]) if found[1] else " ", joined)


def _septets(text: str) -> int:
    return len(gsm7.encode(text))


def _fill(text: str, room: int, cost: Callable[[str], int]) -> Iterable[str]:
    start, used = 0, 0
    for place, character in enumerate(text):
        needed = cost(character)
        if used + needed > room:
            yield text[start:place]
            start, used = place, 0
        used += needed
    yield text[start:]
