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

    def fits(self, length: int | None) -> bool:
        """Whether a body of `length` bytes (None: not known before) can be this part of a file."""
        inside = self.asks or self.start < self.end <= self.size
        return inside and length in (None, self.end - self.start)


def parse(text: str) -> ContentRange | None:
    """The range, or None for anything that has not its form."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    size = int(form[3])
    if form[1] is None:
        return ContentRange(0, 0, size, asks=True)
    return ContentRange(int(form[1]), int(form[2]) + 1, size)
