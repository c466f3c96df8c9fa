"""Pure: how service hours are written: ``mon-thu 07:30-12:00,13:00-15:30``; ``2026-12-24``; a period of two dates.

Every reader raises ValueError with the reason as a part of a sentence.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import Literal

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOSED: Literal["closed"] = "closed"
Span = tuple[int, int]  # minutes from midnight: from the first on, the second no more
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_entry(text: str) -> tuple[tuple[int, ...], tuple[Span, ...]]:
    """The days (Monday 0) and the spans of ``mon-thu 07:30-15:30``; ``sat-mon`` goes over the week's end."""
    days, _, spans = text.partition(" ")
    first, _, last = days.partition("-")
    start = DAYS.index(first)
    count = (DAYS.index(last or first) - start) % 7 + 1
    return tuple((start + day) % 7 for day in range(count)), read_spans(spans)


def read_spans(text: str) -> tuple[Span, ...]:
    """The spans of ``07:30-12:00,13:00-15:30`` by their beginning, none of ``closed``."""
    if text == CLOSED:
        return ()
    spans = sorted(_span(part) for part in text.split(","))
    for (_, end), (following, _) in pairwise(spans):
        if following < end:
            raise ValueError(f"has hours that overlap from {said(following)} on")
    return tuple(spans)


def read_date(text: str) -> date:
    """The date of ``2026-12-24``."""
    try:
        if _ISO.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # 30 February looks like a date too
    raise ValueError("is no date")


def read_period(text: str) -> tuple[date, date]:
    """The first and last day of ``2027-02-08/2027-03-09``."""
    first, _, last = text.partition("/")
    begins, ends = read_date(first), read_date(last)
    if ends < begins:
        raise ValueError("ends before it begins")
    return begins, ends


def said(minute: int) -> str:
    """A minute of the day as it is written."""
    return f"{minute // 60:02}:{minute % 60:02}"


def _span(text: str) -> Span:
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
    if end <= start:
        raise ValueError("has hours that end before they begin")
    return start, end
