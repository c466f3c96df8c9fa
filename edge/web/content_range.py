"""The Content-Range header of an upload (RFC 9110, 14.4 and 14.5). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"bytes (?:([0-9]{1,15})-([0-9]{1,15})|\*)/([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class ContentRange:
    """Bytes `start` up to, but not with, `end` of `size`; `asks` when it is ``bytes */SIZE``, what is held so far."""

    start: int
    end: int
    size: int
    asks: bool = False


def parse(text: str) -> ContentRange | None:
    """The range, or None for anything that is none."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    size = int(form[3])
    if form[1] is None:
        return ContentRange(0, 0, size, asks=True)
    start, last = int(form[1]), int(form[2])
    return ContentRange(start, last + 1, size) if start <= last < size else None
