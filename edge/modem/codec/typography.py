"""Pure: plain signs for typographic ones, which no phone in the village needs but which make a text UCS-2."""

from __future__ import annotations

_PLAIN = str.maketrans(
    dict.fromkeys("‘’‚‛′´`‹›", "'")
    | dict.fromkeys("“”„‟″«»", '"')
    | dict.fromkeys("‐‑‒–—―−", "-")
    | dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f", " ")
    | {"…": "..."}
)


def plain(text: str) -> str:
    """`text` with typographic quotes, dashes, ellipses and wide or unbreakable spaces written plainly."""
    return text.translate(_PLAIN)
